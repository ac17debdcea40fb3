package app

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

// An address that was asked for has to be free; the default one need not be.
func TestAddressTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, value := range map[string]string{"PORT_CLIENT_ID": "id", "PORT_CLIENT_SECRET": "secret"} {
		t.Setenv(name, value)
	}
	cfg, err := ReadConfig()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Process.HTTPAddr, cfg.Process.StatusAddr = taken.Addr().String(), ""

	var log bytes.Buffer
	if a, err := New(cfg, "test", &log); err != nil || a.Addr() != "" || !strings.Contains(log.String(), "server not started") {
		t.Errorf("with the default address taken got %v, log %q; want it to start with a warning", err, log.String())
	}
	t.Setenv("HTTP_ADDR", taken.Addr().String())
	if _, err := New(cfg, "test", &log); err == nil || !strings.Contains(err.Error(), "HTTP_ADDR") {
		t.Errorf("with the wanted address taken got %v, want an error that names HTTP_ADDR", err)
	}
	cfg.Process.HTTPAddr, cfg.Process.StatusAddr = "", taken.Addr().String()
	if a, err := New(cfg, "test", &log); err != nil || a.StatusAddr() != "" || strings.Count(log.String(), "server not started") != 2 {
		t.Errorf("with the status address taken got %v, log %q; want it to start with a warning", err, log.String())
	}
	t.Setenv("STATUS_ADDR", taken.Addr().String())
	if _, err := New(cfg, "test", &log); err == nil || !strings.Contains(err.Error(), "STATUS_ADDR") {
		t.Errorf("with the wanted status address taken got %v, want an error that names STATUS_ADDR", err)
	}
}

// An agent that does not check the certificates of backends says so.
func TestVerifyWarning(t *testing.T) {
	for name, value := range map[string]string{"PORT_CLIENT_ID": "id", "PORT_CLIENT_SECRET": "secret", "HTTP_ADDR": "", "STATUS_ADDR": ""} {
		t.Setenv(name, value)
	}
	for _, verify := range []string{"true", "false"} {
		t.Setenv("WEBHOOK_VERIFY_SSL", verify)
		cfg, err := ReadConfig()
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if _, err := New(cfg, "test", &log); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), `"level":"warn"`) && strings.Contains(log.String(), "WEBHOOK_VERIFY_SSL"); got != (verify == "false") {
			t.Errorf("WEBHOOK_VERIFY_SSL=%s: log %s", verify, log.String())
		}
	}
}
