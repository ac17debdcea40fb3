// Package examples holds the folders beside it, for the playground: go:embed
// cannot reach them from there.
package examples

import "embed"

// Files are the folders, as they stand here.
//
//go:embed */*.json */README.md
var Files embed.FS
