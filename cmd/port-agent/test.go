package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"

	"port-agent/cmd/port-agent/cases"
	"port-agent/cmd/port-agent/explanation"
)

const testUsage = `usage: port-agent test [-mapping FILE] [-run RE] [-v] [-update] [-cover] [-junit FILE] [PATH...]

Tests a mapping: explains events and compares what comes out with what is
expected. It sends nothing. PATH is a folder, searched with all below it, or a
file of cases; without one it is the folder you are in. A case is

  - a folder with event.json and request.json, and where needed response.json,
    report.json, poll.json, poll-report.json and env.json, such as those of
    examples/. Its mapping is invocations.json there, or in the nearest folder
    above as far as PATH;
  - an entry of NAME_test.json, a list of objects of name, event, env, response
    and poll, and of what is expected: rule, request, report, pollReport, error.
    The mapping is NAME.json beside it. event, response and poll are JSON or the
    names of files.

Of a request only the fields, headers and query parameters that are given are
compared, its body and the report as a whole. rule is a name, an index (from 0)
or null for none; request is null where nothing is sent; error is a part of the
reason. env is all the environment there is, settings included.

  -mapping FILE   test this mapping with all cases
  -run RE         run the cases whose name matches a regular expression
  -v              name the cases that pass, too
  -update         write what came out into the files, where it differs
  -cover          name rules that no case chose and reports that none evaluated
  -junit FILE     write the results as JUnit XML, too

In GitHub Actions failures are shown at their lines. The exit code is 0, or 1
where a case failed.
`

// test runs the cases of a mapping.
func test(args []string, stdout, stderr io.Writer) int {
	o := cases.Options{Version: versionText()}
	out := cases.Output{Text: stdout, GitHub: os.Getenv("GITHUB_ACTIONS") == "true"}
	flags := newFlags("test", testUsage, stderr)
	run, junit := "", ""
	flags.StringVar(&o.Mapping, "mapping", "", "")
	flags.StringVar(&run, "run", "", "")
	flags.BoolVar(&out.Verbose, "v", false, "")
	flags.BoolVar(&o.Update, "update", false, "")
	flags.BoolVar(&out.Cover, "cover", false, "")
	flags.StringVar(&junit, "junit", "", "")
	if code, done := parse(flags, args, stdout, true); done {
		return code
	}
	paths := flags.Args()
	if len(paths) == 0 {
		paths = []string{"."}
	}
	if run != "" {
		re, err := regexp.Compile(run)
		if err != nil {
			fmt.Fprintf(stderr, "-run: %v\n", err)
			return exitInvalid
		}
		o.Run = re
	}
	if junit != "" {
		file, err := os.Create(junit)
		if err != nil {
			fmt.Fprintln(stderr, err)
			return exitFailed
		}
		defer file.Close()
		out.JUnit = file
	}
	ok, err := cases.Run(context.Background(), paths, o, out)
	if err != nil {
		fmt.Fprintln(stderr, explanation.PrintableLines(err.Error()))
	}
	if err != nil || !ok {
		return exitFailed
	}
	return exitOK
}
