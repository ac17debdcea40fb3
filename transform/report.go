package transform

import "context"

// Report is what a rule says about the outcome: any of status, link, summary,
// externalRunId and statusLabel, none of them null.
type Report map[string]any

type reportField struct {
	name  string
	value *template
}

// Report makes the report of an invocation. in is an object of "body" (the
// event), "request" and "response". A field that fails or gives null is left
// out; the warnings tell of it.
func (r *Rule) Report(ctx context.Context, in any) (Report, []Warning) {
	if len(r.report) == 0 {
		return nil, nil
	}
	ev := evaluation{rule: r, input: in}
	out := make(Report, len(r.report))
	for _, f := range r.report {
		v, err := f.value.eval(ctx, &ev)
		if err != nil || v == nil {
			continue // not strict: an error is that of ctx alone
		}
		out[f.name] = v
	}
	return out, ev.warnings
}

// ReportFields names the fields of the rule's report.
func (r *Rule) ReportFields() []string {
	names := make([]string, len(r.report))
	for i, f := range r.report {
		names[i] = f.name
	}
	return names
}
