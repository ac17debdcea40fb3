package app

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kelseyhightower/envconfig"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/kafka"
	"port-agent/agent/polling"
	"port-agent/agent/port"
	"port-agent/invoker"
	"port-agent/invoker/follow"
	"port-agent/invoker/wire"
	"port-agent/transform"
)

// Sources of events, the values of STREAMER_NAME.
const (
	sourceKafka   = "KAFKA"
	sourcePolling = "POLLING"
)

// Config is all settings. Each package owns its part.
type Config struct {
	Process   Process
	Port      port.Config
	Kafka     kafka.Config
	Polling   polling.Config
	Transform transform.Config
	Invoker   invoker.Config
	Wire      wire.Config
	Agent     agent.Config
	Follow    follow.Config
}

// Process is the part of the settings that belongs to no package.
type Process struct {
	Streamer        string  `envconfig:"STREAMER_NAME" default:"KAFKA"`
	LogLevel        string  `envconfig:"LOG_LEVEL" default:"INFO"`
	LogFormat       string  `envconfig:"LOG_FORMAT" default:"json"`
	HTTPAddr        string  `envconfig:"HTTP_ADDR" default:":8080" empty:"off"` // empty: no server
	ShutdownTimeout float64 `envconfig:"SHUTDOWN_TIMEOUT_SECONDS" default:"45"`
	MappingReload   float64 `envconfig:"MAPPING_RELOAD_SECONDS" default:"15"`              // 0: only at SIGHUP
	StatusAddr      string  `envconfig:"STATUS_ADDR" default:"127.0.0.1:8081" empty:"off"` // empty: no server
}

// logLevels are the levels by the names that the settings use.
var logLevels = map[string]zerolog.Level{
	"TRACE": zerolog.TraceLevel, "DEBUG": zerolog.DebugLevel, "INFO": zerolog.InfoLevel,
	"WARN": zerolog.WarnLevel, "WARNING": zerolog.WarnLevel, "ERROR": zerolog.ErrorLevel, "CRITICAL": zerolog.FatalLevel,
}

// Validate names everything that is wrong with p.
func (p *Process) Validate() error {
	var errs []error
	check := func(ok bool, format string, value any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, value))
		}
	}
	streamer := strings.ToUpper(p.Streamer)
	_, level := logLevels[strings.ToUpper(p.LogLevel)]
	check(streamer == sourceKafka || streamer == sourcePolling, "STREAMER_NAME: %q is neither KAFKA nor POLLING", p.Streamer)
	check(level, "LOG_LEVEL: %q is none of DEBUG, INFO, WARNING, ERROR", p.LogLevel)
	check(p.LogFormat == "json" || p.LogFormat == "console", "LOG_FORMAT: %q is neither json nor console", p.LogFormat)
	check(p.ShutdownTimeout >= 1 && p.ShutdownTimeout <= 3600, "SHUTDOWN_TIMEOUT_SECONDS: %v is not between 1 and 3600", p.ShutdownTimeout)
	check(p.MappingReload >= 0 && p.MappingReload <= 86400, "MAPPING_RELOAD_SECONDS: %v is not between 0 and 86400", p.MappingReload)
	return errors.Join(errs...)
}

func (p *Process) reloadInterval() time.Duration {
	return time.Duration(p.MappingReload * float64(time.Second))
}

// shutdownReserve is the part of the shutdown time, in seconds, for the last commit
// and for leaving the group.
const shutdownReserve = 4

// drainTimeout is how long started events may take to end after a stop was
// requested.
func (p *Process) drainTimeout() time.Duration {
	total := time.Duration(p.ShutdownTimeout * float64(time.Second))
	return total - min(shutdownReserve*time.Second, total/2)
}

// part is one package's settings.
type part interface{ Validate() error }

func (c *Config) parts() []part {
	return []part{&c.Process, &c.Port, &c.Kafka, &c.Polling, &c.Transform, &c.Invoker, &c.Wire, &c.Agent, &c.Follow}
}

// ReadConfig reads the settings from the environment. The error names all that
// is wrong with them, one fault a line.
//
// A variable that is set but empty counts as unset, except HTTP_ADDR and
// STATUS_ADDR, which it switches off. A secret NAME may be in a file that
// NAME_FILE names instead.
func ReadConfig() (Config, error) {
	var c Config
	var errs []error
	for _, p := range c.parts() {
		errs = append(errs, read(p), p.Validate())
	}
	drain := c.Process.drainTimeout()
	c.Agent.DrainTimeout, c.Kafka.DrainTimeout = drain, drain
	c.Polling.Window = c.Agent.MaxInFlight
	return c, errors.Join(errs...)
}

// ReadProcess reads the settings that belong to no package.
func ReadProcess() (Process, error) {
	var p Process
	return p, errors.Join(read(&p), p.Validate())
}

// IsSetting reports whether an environment variable is a setting of the agent.
func IsSetting(name string) bool { return settingNames()[name] }

var settingNames = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for _, s := range settings(new(Config).parts()...) {
		if names[s.name] = true; s.value.Type() == secretType {
			names[s.name+fileSuffix] = true
		}
	}
	return names
})

// setting is one variable of the environment and the field that it fills.
type setting struct {
	name, def string
	empty     bool // an empty variable sets the field to empty, not to the default
	value     reflect.Value
}

// settings lists the settings of parts.
func settings(parts ...part) (list []setting) {
	for _, p := range parts {
		v := reflect.ValueOf(p).Elem()
		for i := range v.NumField() {
			tag := v.Type().Field(i).Tag
			if name := tag.Get("envconfig"); name != "" {
				list = append(list, setting{name, tag.Get("default"), tag.Get("empty") != "", v.Field(i)})
			}
		}
	}
	return list
}

// read fills in one part. Its error names every value that does not parse.
// envconfig would stop at the first one, so while it reads, the environment holds
// only values that it accepts.
func read(p part) error {
	var errs []error
	for _, s := range settings(p) {
		value, set := os.LookupEnv(s.name)
		if !set {
			continue
		}
		plain, want := normal(s.value.Kind(), value)
		if want != "" {
			errs = append(errs, fmt.Errorf("%s: %q is not %s", s.name, value, want))
		}
		if plain == value && (value != "" || s.empty) {
			continue
		}
		defer os.Setenv(s.name, value)
		if plain == "" {
			os.Unsetenv(s.name) // to envconfig an empty variable is set
			continue
		}
		os.Setenv(s.name, plain)
	}
	return errors.Join(append(errs, envconfig.Process("", p), readSecretFiles(p))...)
}

// switches are the words for true and false that settings use, in lower case.
var switches = map[string]string{"true": "true", "t": "true", "1": "true", "yes": "true", "y": "true", "on": "true",
	"false": "false", "f": "false", "0": "false", "no": "false", "n": "false", "off": "false"}

// normal returns the value of a setting in the form that envconfig reads. It is
// empty if the setting counts as unset, and if the value is wrong: then want says
// what it should be.
//
// Text is not changed: white space around a secret is an error that Validate names.
func normal(kind reflect.Kind, value string) (plain, want string) {
	if kind == reflect.String {
		return value, ""
	}
	if value = strings.TrimSpace(value); value == "" {
		return "", ""
	}
	switch kind {
	case reflect.Bool:
		if word, ok := switches[strings.ToLower(value)]; ok {
			return word, ""
		}
		return "", "true or false"
	case reflect.Int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return "", "a whole number"
		}
		return strconv.Itoa(n), "" // envconfig takes 010 for 8
	case reflect.Float64:
		if f, err := strconv.ParseFloat(value, 64); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return "", "a number"
		}
	case reflect.Slice:
		return tidy(value), ""
	}
	return value, ""
}

// tidy removes white space and empty entries from a list.
func tidy(value string) string {
	entries := strings.Split(value, ",")
	for i := range entries {
		entries[i] = strings.TrimSpace(entries[i])
	}
	return strings.Join(slices.DeleteFunc(entries, func(e string) bool { return e == "" }), ",")
}
