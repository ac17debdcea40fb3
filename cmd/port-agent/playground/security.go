package playground

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
)

// maxBody bounds what the page may send.
const maxBody = 4 << 20

// guard lets through requests of the page that this process served, and no
// others: other pages in the same browser can send requests to 127.0.0.1, and a
// name that an attacker owns can be made to point there.
type guard struct {
	hosts  map[string]bool // by which the listener is known
	cookie string
	token  string
}

func newGuard(addr net.Addr) (*guard, error) {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil || !at.Addr().Unmap().IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address: the playground is for this machine only", addr)
	}
	hosts := map[string]bool{at.String(): true}
	for _, name := range []string{"127.0.0.1", "localhost", "[::1]"} {
		hosts[fmt.Sprintf("%s:%d", name, at.Port())] = true
	}
	// Cookies do not know ports: each playground has a name of its own.
	return &guard{hosts, fmt.Sprintf("port-agent-playground-%d", at.Port()), rand.Text()}, nil
}

// wrap puts the checks in front of next. The order matters: nothing is read of
// a request whose Host is not ours.
func (g *guard) wrap(next http.Handler) http.Handler {
	protected := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		switch {
		case !g.hosts[r.Host]:
			http.Error(w, "this is not the host of the playground", http.StatusMisdirectedRequest)
		case !g.allowed(w, r):
			http.Error(w, "open the address that port-agent playground has printed", http.StatusForbidden)
		case r.Method == http.MethodPost && !isJSON(r):
			http.Error(w, "the content type has to be application/json", http.StatusUnsupportedMediaType)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			protected.ServeHTTP(w, r)
		}
	})
}

// allowed checks the cookie; on the first page the token in its address does
// too, and becomes the cookie. There is no redirect: a browser that came from
// another site would not send a strict cookie along with it.
func (g *guard) allowed(w http.ResponseWriter, r *http.Request) bool {
	if c, err := r.Cookie(g.cookie); err == nil && g.matches(c.Value) {
		return true
	}
	if r.URL.Path != "/" || r.Method != http.MethodGet || !g.matches(r.URL.Query().Get("token")) {
		return false
	}
	http.SetCookie(w, &http.Cookie{Name: g.cookie, Value: g.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	return true
}

func (g *guard) matches(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(g.token)) == 1
}

// isJSON reports whether a body is declared to be JSON: a page of another
// origin cannot send that without asking first.
func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// version names the content of a file; none has the empty one.
func version(data []byte) string {
	if data == nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
