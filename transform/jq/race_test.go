//go:build race

package jq

// underRace is set where the race detector makes everything ten times slower.
const underRace = true
