package tests

import (
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
)

// TestLintStrict does what `helm lint --strict` does, with no values and with
// those of every set.
func TestLintStrict(t *testing.T) {
	t.Parallel()
	for _, file := range append(valueSets(t), "") {
		values := map[string]any{}
		if file != "" {
			values = load(t, file)
		}
		for _, message := range lint.RunAll(chartDir, values, "port").Messages {
			if message.Severity >= support.WarningSev {
				t.Errorf("%q: %v", file, message)
			}
		}
	}
}
