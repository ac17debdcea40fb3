package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
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
		if ext := filepath.Ext(e.Name()); (ext == ".crt" || ext == ".pem") && !e.IsDir() {
			if err := addCertificates(pool, filepath.Join(dir, e.Name())); err != nil {
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
// that each can be loaded. Both files of a pair name it, so one without the other
// is noticed.
func clientCertificates(dir string) (map[string]keyPair, error) {
	pairs := make(map[string]keyPair)
	if dir == "" {
		return pairs, nil
	}
	for _, pattern := range []string{"*.crt", "*.key", "*/tls.crt", "*/tls.key"} {
		files, _ := fs.Glob(os.DirFS(dir), pattern)
		for _, file := range files {
			name := strings.TrimSuffix(file, path.Ext(file))
			pair := keyPair{filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")}
			if _, err := pair.load(nil); err != nil {
				return nil, fmt.Errorf("CLIENT_CERTIFICATES_DIR: %w", err)
			}
			pairs[strings.ToLower(strings.TrimSuffix(name, "/tls"))] = pair
		}
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("CLIENT_CERTIFICATES_DIR: %s holds neither HOST.crt with HOST.key nor HOST/tls.crt with HOST/tls.key", dir)
	}
	return pairs, nil
}
