package transform

// preEntries counts a list or object as something of its length that is made.
func preEntries(r *run, v any) error {
	switch v := v.(type) {
	case []any:
		return r.make(2 * listBytes * len(v))
	case map[string]any:
		return r.make(4 * listBytes * len(v))
	}
	return nil
}

// preTree measures a value that is gone through, and counts a list of all it
// holds.
func preTree(r *run, v any) error {
	if scalar(v) {
		return nil
	}
	s, err := r.measure(v)
	if err != nil {
		return err
	}
	return r.make(listBytes * s.nodes)
}

// maxRunIndex bounds the list that is looked for where a list is an index: it
// is compared with every part of the list it is looked for in.
const maxRunIndex = 50

func preIndex(r *run, v any) error {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	s, err := r.measure(list)
	if err != nil {
		return err
	}
	if s.nodes > maxRunIndex {
		return errIndex
	}
	return nil
}

func prePath(r *run, v any) error {
	path, _ := v.([]any)
	for _, step := range path {
		if err := preIndex(r, step); err != nil {
			return err
		}
	}
	return r.work(len(path) / 8)
}

// preSort is preTree for what is compared some times over.
func preSort(r *run, v any) error {
	if err := preTree(r, v); err != nil {
		return err
	}
	list, _ := v.([]any)
	return r.make(4 * listBytes * len(list))
}

// preText counts the text that is made of a value.
func preText(r *run, v any) error {
	if s, ok := v.(string); ok {
		return r.make(len(s))
	}
	s, err := r.measure(v)
	if err != nil {
		return err
	}
	return r.make(3 * s.bytes) // a text that grows is copied now and then
}

// preFormat is preText for a format that writes up to six bytes for one.
func preFormat(r *run, v any) error {
	if s, ok := v.(string); ok {
		return r.make(6 * len(s))
	}
	s, err := r.measure(v)
	if err != nil {
		return err
	}
	return r.make(8 * s.bytes)
}

// preLetters counts a list with a number for each letter of a text.
func preLetters(r *run, v any) error {
	s, _ := v.(string)
	return r.make((listBytes + 8) * len(s))
}

func preScan(r *run, v any) error {
	s, _ := v.(string)
	return r.work(len(s) / 1024)
}

// preTable counts the table that transpose makes.
func preTable(r *run, v any) error {
	rows, _ := v.([]any)
	longest := 0
	for _, row := range rows {
		if row, ok := row.([]any); ok {
			longest = max(longest, len(row))
		}
	}
	if longest > 0 && len(rows) > maxBytes/listBytes/longest {
		return r.fail(errBytes)
	}
	return r.make((listBytes*len(rows) + 24) * longest)
}

// maxShort bounds the texts that times are read from and the formats they are
// written in.
const maxShort = 512

func preShort(_ *run, v any) error {
	if s, ok := v.(string); ok && len(s) > maxShort {
		return errLong
	}
	return nil
}
