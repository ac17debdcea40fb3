package interop

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"port-agent/agent/port/porttest"
)

const airflowPassword = "canary-airflow-password"

// dags has one that succeeds and one that fails.
const dags = `
from datetime import datetime
from airflow import DAG
from airflow.operators.bash import BashOperator

for name, command in (("succeeds", "sleep 1"), ("fails", "exit 3")):
    with DAG(name, start_date=datetime(2026, 1, 1), schedule=None, catchup=False) as dag:
        BashOperator(task_id="work", bash_command=command)
    globals()[name] = dag
`

// startAirflow starts Airflow's scheduler and its REST API on a database of
// their own. AIRFLOW_BIN is the folder of the program.
func startAirflow(t *testing.T) (url string) {
	t.Helper()
	bin, home, port := os.Getenv("AIRFLOW_BIN"), t.TempDir(), freePort(t)
	if bin == "" {
		t.Fatal("AIRFLOW_BIN is not set: start this by .ci/interop/run")
	}
	if err := os.Mkdir(filepath.Join(home, "dags"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, "dags"), "dags.py", dags, 0o600)
	env := append(os.Environ(), "AIRFLOW_HOME="+home, "TMPDIR="+home, "PATH="+bin+":"+os.Getenv("PATH"), "PYTHONWARNINGS=ignore",
		"AIRFLOW__CORE__LOAD_EXAMPLES=False", "AIRFLOW__CORE__EXECUTOR=SequentialExecutor", "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=False",
		"AIRFLOW__API__AUTH_BACKENDS=airflow.api.auth.backend.basic_auth", "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False",
		"AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC=1", "AIRFLOW__LOGGING__BASE_LOG_FOLDER="+filepath.Join(home, "logs"))
	airflow := func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "airflow"), args...)
		cmd.Env = env
		return cmd
	}
	for _, args := range [][]string{
		{"db", "migrate"},
		{"users", "create", "--username", "port", "--password", airflowPassword, "--firstname", "a", "--lastname", "b", "--role", "Admin", "--email", "port@example.com"},
	} {
		if out, err := airflow(args...).CombinedOutput(); err != nil {
			t.Fatalf("airflow %s: %v\n%s", args[0], err, out)
		}
	}
	log := &output{}
	for _, cmd := range []*exec.Cmd{airflow("scheduler"), airflow("webserver", "--hostname", "127.0.0.1", "--port", fmt.Sprint(port), "--workers", "1")} {
		cmd.Stdout, cmd.Stderr = log, log
		background(t, cmd)
	}
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	poll(t, "Airflow knows both DAGs", log, func() bool {
		for _, dag := range []string{"succeeds", "fails"} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v1/dags/"+dag, nil)
			req.SetBasicAuth("port", airflowPassword)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return false
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return false
			}
		}
		return true
	})
	return url
}

// TestAirflow runs a DAG that succeeds and one that fails. The rule's follow
// ends both runs with the result of the DAG.
func TestAirflow(t *testing.T) {
	url := startAirflow(t)
	w := start(t, []map[string]any{airflowRule()},
		"AIRFLOW_URL="+url, "AIRFLOW_BASIC="+base64.StdEncoding.EncodeToString([]byte("port:"+airflowPassword)))
	events := []porttest.Event{
		{Run: "r_succeeds", Action: "run_dag", Properties: map[string]any{"dag": "succeeds"}},
		{Run: "r_fails", Action: "run_dag", Properties: map[string]any{"dag": "fails"}},
	}
	w.publish(events...)
	for i, want := range []string{"SUCCESS", "FAILURE"} {
		run := w.wait(events[i].Run)
		if run.Status != want {
			t.Errorf("%s ended with %s, want %s; its log: %q", run.ID, run.Status, want, run.Messages())
		}
		if run.ExternalRunID != run.ID || len(run.Links) != 1 || !strings.HasPrefix(run.Links[0], url+"/dags/") {
			t.Errorf("%s: got id %q and links %q, want the DAG run's", run.ID, run.ExternalRunID, run.Links)
		}
		if log := strings.Join(run.Messages(), "\n"); !strings.Contains(log, "\nFollowing rule "+url+"/api/v1/dags/") {
			t.Errorf("%s: no line says that it is followed: %q", run.ID, run.Messages())
		}
		if strings.Contains(strings.Join(run.Messages(), "\n")+run.Summary, "canary") {
			t.Errorf("%s: a secret is in what Port was told", run.ID)
		}
	}
	w.noSecret("canary", base64.StdEncoding.EncodeToString([]byte("port:"+airflowPassword)))
}

// airflowRule triggers a DAG and follows its run.
func airflowRule() map[string]any {
	const login = `"Basic " + env.AIRFLOW_BASIC`
	return map[string]any{
		"name":    "run a DAG",
		"enabled": `.action == "run_dag"`,
		"url":     `env.AIRFLOW_URL + "/api/v1/dags/" + (.payload.properties.dag | @uri) + "/dagRuns"`,
		"headers": map[string]any{"Authorization": login},
		"body":    map[string]any{"dag_run_id": ".context.runId"},
		"report": map[string]any{
			"externalRunId": ".response.json.dag_run_id",
			"link":          `env.AIRFLOW_URL + "/dags/" + .response.json.dag_id + "/grid?dag_run_id=" + (.response.json.dag_run_id | @uri)`,
		},
		"follow": map[string]any{
			"url":         `.request.url + "/" + (.response.json.dag_run_id | @uri)`,
			"headers":     map[string]any{"Authorization": login},
			"done":        `.poll.json.state == "success" or .poll.json.state == "failed"`,
			"status":      `if .poll.json.state == "success" then "SUCCESS" else "FAILURE" end`,
			"statusLabel": ".poll.json.state",
			"summary":     `"DAG " + .poll.json.dag_id + " is " + .poll.json.state`,
			"interval":    1,
		},
	}
}
