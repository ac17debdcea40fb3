//go:build race

package transform

// underRace is set where the race detector makes everything ten times slower.
const underRace = true
