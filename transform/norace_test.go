//go:build !race

package transform

const underRace = false
