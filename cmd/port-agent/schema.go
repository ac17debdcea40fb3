package main

import (
	"flag"
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
func schema(args []string, stdout, _ io.Writer) error {
	if err := parse(flag.NewFlagSet("schema", flag.ContinueOnError), schemaUsage, args, stdout, false); err != nil {
		return err
	}
	_, err := stdout.Write(transform.Schema())
	return err
}
