package app

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// setOnly sets the environment to vars and the two settings that are required.
func setOnly(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, s := range settings(new(Config).parts()...) {
		if _, set := os.LookupEnv(s.name); set {
			t.Setenv(s.name, "") // put back at the end of the test
			os.Unsetenv(s.name)
		}
	}
	t.Setenv("PORT_CLIENT_ID", "id")
	t.Setenv("PORT_CLIENT_SECRET", "client-secret-value")
	for name, value := range vars {
		t.Setenv(name, value)
	}
}

// distinct has for every setting a valid value that is not its default, and
// what is then in the field.
var distinct = map[string]struct {
	text string
	want any
}{
	"STREAMER_NAME":                           {"polling", "polling"},
	"LOG_LEVEL":                               {"debug", "debug"},
	"LOG_FORMAT":                              {"console", "console"},
	"HTTP_ADDR":                               {"127.0.0.1:9", "127.0.0.1:9"},
	"STATUS_ADDR":                             {"127.0.0.1:7", "127.0.0.1:7"},
	"SHUTDOWN_TIMEOUT_SECONDS":                {"12.5", 12.5},
	"MAPPING_RELOAD_SECONDS":                  {"0.5", 0.5},
	"PORT_CLIENT_ID":                          {"another-id", "another-id"},
	"PORT_CLIENT_SECRET":                      {"another-secret-value", "another-secret-value"},
	"PORT_API_BASE_URL":                       {"https://api.us.getport.io", "https://api.us.getport.io"},
	"PORT_ORG_ID":                             {"org_1", "org_1"},
	"USING_LOCAL_PORT_INSTANCE":               {"Yes", true},
	"KAFKA_CONSUMER_BOOTSTRAP_SERVERS":        {"a:9092, b:9092,", []string{"a:9092", "b:9092"}},
	"KAFKA_CONSUMER_GROUP_ID":                 {"org_1.mine", "org_1.mine"},
	"KAFKA_CONSUMER_SECURITY_PROTOCOL":        {"ssl", "ssl"},
	"KAFKA_CONSUMER_AUTHENTICATION_MECHANISM": {"SCRAM-SHA-512", "SCRAM-SHA-512"},
	"KAFKA_CONSUMER_SESSION_TIMEOUT_MS":       {"6000", 6000},
	"KAFKA_CONSUMER_AUTO_OFFSET_RESET":        {"largest", "largest"},
	"KAFKA_RUNS_TOPIC":                        {"a.runs", "a.runs"},
	"KAFKA_CHANGE_LOG_TOPIC":                  {"a.changes", "a.changes"},
	"DELIVERY":                                {"at-least-once", "at-least-once"},
	"POLLING_INTERVAL_SECONDS":                {"1.5", 1.5},
	"POLLING_RUNS_BATCH_SIZE":                 {"7", 7},
	"POLLING_INITIAL_BACKOFF_SECONDS":         {"0.25", 0.25},
	"POLLING_MAX_BACKOFF_SECONDS":             {"60", 60.0},
	"POLLING_BACKOFF_FACTOR":                  {"3", 3.0},
	"POLLING_BACKOFF_JITTER_FACTOR":           {"0.5", 0.5},
	"POLLING_MAX_FAILURE_DURATION_SECONDS":    {"10", 10.0},
	"INVOCATIONS_PATH":                        {"/m/a.json", "/m/a.json"},
	"CONTROL_THE_PAYLOAD_CONFIG_PATH":         {"/m/b.json", "/m/b.json"},
	"STRICT_MAPPING":                          {"on", true},
	"MAPPING_TIMEOUT_MS":                      {"250", 250},
	"WEBHOOK_INVOKER_TIMEOUT":                 {"2.5", 2.5},
	"WEBHOOK_VERIFY_SSL":                      {"False", false},
	"GITLAB_URL":                              {"https://git.internal/", "https://git.internal/"},
	"AZURE_DEVOPS_URL":                        {"https://ado.internal", "https://ado.internal"},
	"GITHUB_API_URL":                          {"https://ghe.internal/api/v3", "https://ghe.internal/api/v3"},
	"GITHUB_TOKEN":                            {"github-token-value", "github-token-value"},
	"GITHUB_APP_ID":                           {"4711", "4711"},
	"GITHUB_APP_PRIVATE_KEY":                  {appKey, appKey},
	"GITHUB_APP_INSTALLATION_ID":              {"17", "17"},
	"JENKINS_URL":                             {"https://ci.internal/jenkins", "https://ci.internal/jenkins"},
	"JENKINS_USER_ID":                         {"port", "port"},
	"JENKINS_USER":                            {"port2", "port2"},
	"JENKINS_API_TOKEN":                       {"jenkins-token-value", "jenkins-token-value"},
	"GITLAB_TOKEN":                            {"gitlab-token-value", "gitlab-token-value"},
	"AZURE_DEVOPS_EXT_PAT":                    {"azure-token-value", "azure-token-value"},
	"AZURE_DEVOPS_PAT":                        {"azure-token-value2", "azure-token-value2"},
	"FOLLOW":                                  {"off", "off"},
	"FOLLOW_TIMEOUT_SECONDS":                  {"60", 60.0},
	"FOLLOW_MAX_RUNS":                         {"10", 10},
	"EGRESS_ALLOW":                            {"169.254.1.1", []string{"169.254.1.1"}},
	"EGRESS_DENY":                             {"*.example.com,10.0.0.0/8", []string{"*.example.com", "10.0.0.0/8"}},
	"TLS_LEGACY_HOSTS":                        {"old.example.com", []string{"old.example.com"}},
	"CA_CERTIFICATES_DIR":                     {"/ca", "/ca"},
	"CLIENT_CERTIFICATES_DIR":                 {"/clients", "/clients"},
	"MAX_IN_FLIGHT":                           {"9", 9},
	"MAX_IN_FLIGHT_PER_HOST":                  {"3", 3},
	"ORDER_BY":                                {"partition", "partition"},
	"ON_INTERRUPTED":                          {"retry", "retry"},
	"ON_NO_MATCH":                             {"fail", "fail"},
	"ON_UNVOUCHED":                            {"invoke", "invoke"},
	"RETRY_MAX_SECONDS":                       {"0.5", 0.5},
	"RETRY_MAX_ATTEMPTS":                      {"2", 2},
	"MAX_EVENT_BYTES":                         {"1000", 1000},
	"MAX_EVENT_AGE_SECONDS":                   {"600", 600.0},
	"DETAILED_LOGGING":                        {"1", true},
}

// appKey is a key that a GitHub App could have.
var appKey = func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}()

// plain is a field's value as a basic type.
func plain(v reflect.Value) any {
	if v.Kind() == reflect.String {
		return v.String()
	}
	return v.Interface()
}

func TestEverySettingIsRead(t *testing.T) {
	vars := map[string]string{}
	for name, v := range distinct {
		vars[name] = v.text
	}
	setOnly(t, vars)
	c, err := ReadConfig()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, s := range settings(c.parts()...) {
		known[s.name] = true
		d, ok := distinct[s.name]
		if !ok {
			t.Errorf("%s is not in the table of this test", s.name)
			continue
		}
		if got := plain(s.value); !reflect.DeepEqual(got, d.want) {
			t.Errorf("%s=%s: the field is %#v, want %#v", s.name, d.text, got, d.want)
		}
		if fmt.Sprint(d.want) == s.def {
			t.Errorf("%s: %s is its default, so nothing is seen here", s.name, d.text)
		}
	}
	for name := range distinct {
		if !known[name] {
			t.Errorf("%s is no setting", name)
		}
	}
	if got, want := c.Agent.DrainTimeout, 8500*time.Millisecond; got != want || c.Kafka.DrainTimeout != want {
		t.Errorf("drain timeouts are %s and %s, want %s", got, c.Kafka.DrainTimeout, want)
	}
	if got, want := c.Polling.Window, 9; got != want {
		t.Errorf("the polling window is %d, want %d", got, want)
	}
	for _, s := range settings(c.parts()...) { // envconfig was lent another environment
		if got := os.Getenv(s.name); got != vars[s.name] {
			t.Errorf("afterwards %s is %q, want %q", s.name, got, vars[s.name])
		}
	}
}

// TestNumbersAreDecimal has a number that Go takes for octal.
func TestNumbersAreDecimal(t *testing.T) {
	setOnly(t, map[string]string{"MAX_IN_FLIGHT": "0100"})
	if c, err := ReadConfig(); err != nil || c.Agent.MaxInFlight != 100 {
		t.Errorf("MAX_IN_FLIGHT=0100 is %d, %v, want 100", c.Agent.MaxInFlight, err)
	}
}

func TestDefaults(t *testing.T) {
	setOnly(t, nil)
	unset, err := ReadConfig()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings(unset.parts()...) {
		got := fmt.Sprint(plain(s.value))
		switch {
		case strings.HasPrefix(s.name, "PORT_CLIENT_"):
		case s.def != "" && got != s.def:
			t.Errorf("%s unset is %s, want %s", s.name, got, s.def)
		case s.def == "" && !s.value.IsZero():
			t.Errorf("%s unset is %s, want nothing", s.name, got)
		}
	}

	empty := map[string]string{}
	for _, s := range settings(unset.parts()...) {
		if !strings.HasPrefix(s.name, "PORT_CLIENT_") && s.name != "HTTP_ADDR" && s.name != "STATUS_ADDR" {
			empty[s.name] = ""
		}
	}
	setOnly(t, empty)
	got, err := ReadConfig()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, unset) {
		t.Errorf("with empty variables the settings are\n%+v, want\n%+v", got, unset)
	}
	t.Setenv("HTTP_ADDR", "")
	t.Setenv("STATUS_ADDR", "")
	if got, err := ReadConfig(); err != nil || got.Process.HTTPAddr+got.Process.StatusAddr != "" {
		t.Errorf("with HTTP_ADDR and STATUS_ADDR empty the addresses are %q and %q (%v), want none", got.Process.HTTPAddr, got.Process.StatusAddr, err)
	}
}

// bad has values that a setting does not take. What is not listed takes any
// text, or names a file that is looked at later.
var bad = map[string][]string{
	"STREAMER_NAME":                           {"RABBIT"},
	"LOG_LEVEL":                               {"LOUD"},
	"LOG_FORMAT":                              {"xml"},
	"SHUTDOWN_TIMEOUT_SECONDS":                {"0", "3601", "NaN", "soon"},
	"MAPPING_RELOAD_SECONDS":                  {"-1", "86401", "NaN", "soon"},
	"PORT_CLIENT_ID":                          {"", "id\n"},
	"PORT_CLIENT_SECRET":                      {"", "client-secret-value\n"},
	"PORT_API_BASE_URL":                       {"api.getport.io", "ftp://api.getport.io", "https://u:p@api.getport.io", "https://api.getport.io?a=b", "https://a b"},
	"USING_LOCAL_PORT_INSTANCE":               {"maybe"},
	"KAFKA_CONSUMER_SECURITY_PROTOCOL":        {"TLS"},
	"KAFKA_CONSUMER_AUTHENTICATION_MECHANISM": {"OAUTHBEARER"},
	"KAFKA_CONSUMER_SESSION_TIMEOUT_MS":       {"999", "1800001", "ten", "1.5"},
	"KAFKA_CONSUMER_AUTO_OFFSET_RESET":        {"middle"},
	"DELIVERY":                                {"at-most-once"},
	"POLLING_INTERVAL_SECONDS":                {"-1", "Inf"},
	"POLLING_RUNS_BATCH_SIZE":                 {"0", "x"},
	"POLLING_INITIAL_BACKOFF_SECONDS":         {"-1", "NaN"},
	"POLLING_MAX_BACKOFF_SECONDS":             {"-1", "x"},
	"POLLING_BACKOFF_FACTOR":                  {"0.5", "NaN"},
	"POLLING_BACKOFF_JITTER_FACTOR":           {"-0.1", "NaN"},
	"POLLING_MAX_FAILURE_DURATION_SECONDS":    {"-1", "1e9"},
	"STRICT_MAPPING":                          {"strict"},
	"MAPPING_TIMEOUT_MS":                      {"-1", "60001", "1s"},
	"WEBHOOK_INVOKER_TIMEOUT":                 {"0", "-3", "NaN", "30s"},
	"WEBHOOK_VERIFY_SSL":                      {"perhaps"},
	"GITLAB_URL":                              {"gitlab.com"},
	"AZURE_DEVOPS_URL":                        {"dev.azure.com"},
	"GITHUB_API_URL":                          {"file:///etc"},
	"GITHUB_APP_ID":                           {"4711"}, // without a key
	"GITHUB_APP_PRIVATE_KEY":                  {"-----BEGIN", appKey},
	"JENKINS_URL":                             {"ci.internal"},
	"JENKINS_API_TOKEN":                       {"t"}, // without a URL
	"FOLLOW":                                  {"yes"},
	"FOLLOW_TIMEOUT_SECONDS":                  {"0", "NaN", "1e12"},
	"FOLLOW_MAX_RUNS":                         {"0", "901", "x"},
	"EGRESS_ALLOW":                            {"10.0.0.0/40", "https://host"},
	"EGRESS_DENY":                             {"a b"},
	"TLS_LEGACY_HOSTS":                        {"a b"},
	"MAX_IN_FLIGHT":                           {"0", "many"},
	"MAX_IN_FLIGHT_PER_HOST":                  {"-1", "2.5"},
	"ORDER_BY":                                {"run"},
	"ON_INTERRUPTED":                          {"ignore"},
	"ON_NO_MATCH":                             {"drop"},
	"ON_UNVOUCHED":                            {"ask"},
	"RETRY_MAX_SECONDS":                       {"-1", "NaN"},
	"RETRY_MAX_ATTEMPTS":                      {"0", "x"},
	"MAX_EVENT_BYTES":                         {"0", "4MiB"},
	"MAX_EVENT_AGE_SECONDS":                   {"-1", "NaN"},
	"DETAILED_LOGGING":                        {"2"},
}

func TestBadValuesAreNamed(t *testing.T) {
	anything := []string{"HTTP_ADDR", "STATUS_ADDR", "PORT_ORG_ID", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS", "KAFKA_CONSUMER_GROUP_ID", "KAFKA_RUNS_TOPIC",
		"KAFKA_CHANGE_LOG_TOPIC", "INVOCATIONS_PATH", "CONTROL_THE_PAYLOAD_CONFIG_PATH", "GITHUB_TOKEN", "CA_CERTIFICATES_DIR", "CLIENT_CERTIFICATES_DIR",
		"GITHUB_APP_INSTALLATION_ID", "JENKINS_USER_ID", "JENKINS_USER", "GITLAB_TOKEN", "AZURE_DEVOPS_EXT_PAT", "AZURE_DEVOPS_PAT"}
	for _, s := range settings(new(Config).parts()...) {
		if bad[s.name] == nil && !slices.Contains(anything, s.name) {
			t.Errorf("%s: this test has no bad value for it", s.name)
		}
		for _, value := range bad[s.name] {
			setOnly(t, map[string]string{s.name: value})
			_, err := ReadConfig()
			if err == nil || !strings.Contains(err.Error(), s.name) {
				t.Errorf("%s=%q: the error is %v, want one that names the setting", s.name, value, err)
			} else if n := strings.Count(err.Error(), "\n"); n > 0 {
				t.Errorf("%s=%q: the error has %d lines too many:\n%v", s.name, value, n, err)
			}
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	vars := map[string]string{}
	for name, values := range bad {
		vars[name] = values[0]
	}
	// Each of these is looked at once another is right.
	delete(vars, "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM")
	delete(vars, "EGRESS_DENY")
	delete(vars, "GITHUB_APP_ID")
	setOnly(t, vars)
	_, err := ReadConfig()
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	for name := range vars {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, name) }) {
			t.Errorf("nothing is said of %s:\n%v", name, err)
		}
	}
	if got, want := len(lines), len(vars); got != want {
		t.Errorf("%d lines for %d faults:\n%v", got, want, err)
	}
}

func TestSettingsThatDependOnOthers(t *testing.T) {
	tests := []struct {
		name string
		vars map[string]string
		want string // "" for none
	}{
		{"no brokers", map[string]string{"USING_LOCAL_PORT_INSTANCE": "true"}, "KAFKA_CONSUMER_BOOTSTRAP_SERVERS is required"},
		{"SASL without a mechanism", map[string]string{"KAFKA_CONSUMER_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM is required"},
		{"SASL without credentials", map[string]string{"USING_LOCAL_PORT_INSTANCE": "true", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS": "a:1",
			"KAFKA_CONSUMER_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM": "PLAIN"}, "needs credentials"},
		{"the chart's", map[string]string{"KAFKA_CONSUMER_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM": "SCRAM-SHA-512"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			setOnly(t, tt.vars)
			_, err := ReadConfig()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}

// What is not set follows from the organisation.
func TestNamesAtKafka(t *testing.T) {
	tests := []struct {
		name                 string
		vars                 map[string]string
		group, runs, changes string
	}{
		{"unset", nil, "org_1.port-agent", "org_1.runs", "org_1.change.log"},
		{"set", map[string]string{"KAFKA_CONSUMER_GROUP_ID": "org_1.b", "KAFKA_RUNS_TOPIC": "r", "KAFKA_CHANGE_LOG_TOPIC": "c"}, "org_1.b", "r", "c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			setOnly(t, tt.vars)
			c, err := ReadConfig()
			if err != nil {
				t.Fatal(err)
			}
			got := c.Kafka.ForOrg("org_1")
			if got.GroupID != tt.group || got.RunsTopic != tt.runs || got.ChangeLogTopic != tt.changes {
				t.Errorf("group %s, topics %s and %s; want %s, %s and %s", got.GroupID, got.RunsTopic, got.ChangeLogTopic, tt.group, tt.runs, tt.changes)
			}
		})
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	setOnly(t, map[string]string{"GITHUB_TOKEN": "github-token-value"})
	c, err := ReadConfig()
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(format, c) + fmt.Sprintf(format, &c)
		for _, secret := range []string{"client-secret-value", "github-token-value"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s of the settings shows %s:\n%s", format, secret, text)
			}
		}
	}
}

// Commands that work without Port and Kafka name what is wrong with the other
// settings.
func TestReadOfflineNamesFaults(t *testing.T) {
	for name, value := range map[string]string{
		"EGRESS_DENY": "http://x/y", "TLS_LEGACY_HOSTS": "a/b", "WEBHOOK_VERIFY_SSL": "maybe", "GITLAB_URL": "gitlab", "FOLLOW": "perhaps",
		"MAPPING_TIMEOUT_MS": "0", "ORDER_BY": "mood",
	} {
		setOnly(t, map[string]string{name: value})
		if _, err := ReadOffline(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: got %v", name, value, err)
		}
	}
}
