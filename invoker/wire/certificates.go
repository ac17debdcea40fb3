package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// bundleSettings name files of further authorities. REQUESTS_CA_BUNDLE is read
// because agents written with Python's requests were configured with it.
var bundleSettings = []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}

// rootCAs is the system's set with what the files of bundleSettings, the
// folders of SSL_CERT_DIR and dir hold besides.
func rootCAs(dir string, env func(string) (string, bool)) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read system certificates: %w", err)
	}
	for _, setting := range bundleSettings {
		if file, _ := env(setting); file != "" {
			if err := addCertificates(pool, file); err != nil {
				return nil, fmt.Errorf("%s: %w", setting, err)
			}
		}
	}
	// Go itself reads the folders of SSL_CERT_DIR, whatever their files are
	// called, and skips what is no certificate there: such folders are full of
	// other things.
	entries, err := os.ReadDir(dir)
	if usual := dir == "" || dir == defaultCADir; err != nil && !(usual && errors.Is(err, fs.ErrNotExist)) {
		return nil, fmt.Errorf("CA_CERTIFICATES_DIR: %w", err)
	}
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		info, err := os.Stat(file) // follows the links that Kubernetes makes of mounted files
		if ext := filepath.Ext(file); (ext == ".crt" || ext == ".pem") && (err != nil || !info.IsDir()) {
			if err := addCertificates(pool, file); err != nil {
				return nil, err
			}
		}
	}
	return pool, nil
}

// addCertificates adds every certificate of a PEM file; a file without any that
// can be read is an error.
func addCertificates(pool *x509.CertPool, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	if !pool.AppendCertsFromPEM(data) {
		return fmt.Errorf("%s holds no certificate in PEM form that can be read", file)
	}
	return nil
}

// keyPair names the files of a client certificate.
type keyPair struct{ cert, key string }

// load reads the files anew, so that a renewed certificate needs no restart.
func (p keyPair) load(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return nil, fmt.Errorf("load client certificate %s: %w", p.cert, err)
	}
	return &cert, nil
}

// clientCertificates finds the client certificates in dir by host, and checks
// that each can be loaded. HOST.crt and HOST.key name the same pair, so one
// without the other is noticed. What Kubernetes puts beside mounted files begins
// with a dot.
func clientCertificates(dir string) (map[string]keyPair, error) {
	pairs := make(map[string]keyPair)
	if dir == "" {
		return pairs, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("CLIENT_CERTIFICATES_DIR: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		ext := filepath.Ext(path)
		host, pair := strings.TrimSuffix(e.Name(), ext), strings.TrimSuffix(path, ext)
		switch {
		case err != nil, strings.HasPrefix(e.Name(), "."):
			continue
		case info.IsDir():
			host, pair = e.Name(), filepath.Join(path, "tls")
		case ext != ".crt" && ext != ".key":
			continue
		}
		files := keyPair{pair + ".crt", pair + ".key"}
		if _, err := files.load(nil); err != nil {
			return nil, fmt.Errorf("CLIENT_CERTIFICATES_DIR: %w", err)
		}
		pairs[strings.ToLower(host)] = files
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("CLIENT_CERTIFICATES_DIR: %s holds neither HOST.crt with HOST.key nor HOST/tls.crt with HOST/tls.key", dir)
	}
	return pairs, nil
}
