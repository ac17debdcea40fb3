package main

import (
	"fmt"
	"io"

	"port-agent/transform"
)

const schemaUsage = `usage: port-agent schema

Prints the JSON Schema (2020-12) of the mapping file. With it an editor completes
fields, describes them and marks mistakes. docs/mappings.md shows how to set it
up in VS Code and JetBrains. Or name the schema in the mapping:

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
