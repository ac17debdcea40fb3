// Package tests holds the Helm chart to what it promises: every set of values
// in testdata renders into objects that Kubernetes' own types accept without
// an unknown field, values that make no sense fail with a sentence, and the
// agent starts with exactly the environment and the files of the rendered pod.
//
// It is a module of its own, so that the agent's does not carry Helm and
// Kubernetes.
package tests
