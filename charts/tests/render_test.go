package tests

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/strvals"
	"sigs.k8s.io/yaml"
)

const chartDir = "../port-agent"

// credentials are what every installation has to give.
const credentials = "env.secret.PORT_CLIENT_ID=id,env.secret.PORT_CLIENT_SECRET=canary-secret"

// render installs the chart as the release "agent" into the namespace "port".
// sets are taken as `helm --set` takes them, on top of values. The image is in
// a registry unless values say otherwise.
func render(values map[string]any, sets ...string) (map[string]string, error) {
	chart, err := loader.Load(chartDir)
	if err != nil {
		return nil, err
	}
	values = maps.Clone(values)
	if values == nil {
		values = map[string]any{}
	}
	image := map[string]any{"repository": "registry.example/port-agent"}
	own, _ := values["image"].(map[string]any)
	maps.Copy(image, own)
	values["image"] = image
	for _, set := range sets {
		if err := strvals.ParseInto(set, values); err != nil {
			return nil, err
		}
	}
	release := common.ReleaseOptions{Name: "agent", Namespace: "port", Revision: 1, IsInstall: true}
	rendered, err := util.ToRenderValues(chart, values, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, rendered)
}

// objects renders, and decodes every manifest strictly.
func objects(t *testing.T, values map[string]any, sets ...string) []object {
	t.Helper()
	files, err := render(values, sets...)
	if err != nil {
		t.Fatal(err)
	}
	var all []object
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for doc := range strings.SplitSeq(files[name], "\n---\n") {
			if strings.TrimSpace(doc) == "" {
				continue
			}
			obj, err := decode([]byte(doc))
			if err != nil {
				t.Fatalf("%s: %v\n%s", filepath.Base(name), err, doc)
			}
			all = append(all, obj)
		}
	}
	return all
}

// load reads a values file.
func load(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.UnmarshalStrict(data, &values); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return values
}

// parse reads values from text.
func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	values := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// valueSets are the files of testdata.
func valueSets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return files
}
