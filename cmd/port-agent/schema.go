package main

import (
	"fmt"
	"io"

	"port-agent/transform"
)

const schemaUsage = `usage: port-agent schema

Prints the JSON Schema (2020-12) of the mapping file. Editors that know it
complete fields, show what they mean and mark mistakes. docs/mappings.md says
how VS Code and JetBrains take it; or let the mapping name the file:

  {"$schema": "./invocations.schema.json", "rules": [...]}
`

// schema prints the schema of the mapping file.
func schema(args []string, stdout, stderr io.Writer) int {
	flags := newFlags("schema", schemaUsage, stderr)
	if code, done := parse(flags, args, stdout, false); done {
		return code
	}
	if _, err := stdout.Write(transform.Schema()); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}
