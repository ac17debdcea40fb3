package transform

import "testing"

func TestParseBuiltIn(t *testing.T) {
	t.Parallel()
	m, err := Load(Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.Match(t.Context(), map[string]any{})
	if err != nil || r.Index != 0 {
		t.Errorf("Match = %v, %v; want rule 0", r, err)
	}
}
