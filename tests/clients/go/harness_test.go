// Package clients drives a server of the Kubernetes API protocol with unmodified Go clients.
//
// The tests expect KUBECONFIG. Those that need the server restarted print "@@restart" on a line of
// its own and read one line from standard input once it is back (tests/clients/test_go.py does that).
// With CLIENTS_TYPES set the binary runs none of them and answers questions (types_test.go).
package clients

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

const (
	patience = 20 * time.Second      // no wait for a condition lasts longer
	poll     = 20 * time.Millisecond // between two looks at a condition
	shown    = 40                    // exchanges that a failed test prints
)

// stdin is read by line: one line answers one "@@restart".
var stdin = bufio.NewReader(os.Stdin)

func TestMain(m *testing.M) {
	flag.Parse()
	klog.SetOutput(os.Stderr)
	ctrl.SetLogger(logr.Discard())
	if _, asked := os.LookupEnv("CLIENTS_TYPES"); asked {
		if err := answerTypes(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// exchange is one request and what its answer's head said.
type exchange struct {
	method, path, accept, contentType string
	query                             url.Values
	status                            int
	answerType                        string
	err                               error
}

func (e exchange) get(name string) string { return e.query.Get(name) }

func (e exchange) isWatch() bool { return e.get("watch") == "true" || e.get("watch") == "1" }

// wire records what crosses a client's transport.
type wire struct {
	mu   sync.Mutex
	seen []exchange
}

func (w *wire) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		e := exchange{
			method: request.Method, path: request.URL.Path, query: request.URL.Query(),
			accept: request.Header.Get("Accept"), contentType: request.Header.Get("Content-Type"),
		}
		response, err := next.RoundTrip(request)
		e.err = err
		if err == nil {
			e.status = response.StatusCode
			e.answerType = strings.SplitN(response.Header.Get("Content-Type"), ";", 2)[0]
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen = append(w.seen, e)
		return response, err
	})
}

// answered are the exchanges that got an answer, from position `from` on.
func (w *wire) answered(from int) []exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []exchange
	for _, e := range w.seen[from:] {
		if e.status != 0 {
			out = append(out, e)
		}
	}
	return out
}

func (w *wire) mark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// config is the kubeconfig's client configuration with the content type of the run (CLIENTS_CONTENT_TYPE,
// empty: the client's own choice) and a record of what crosses the wire.
func config(t *testing.T) (*rest.Config, *wire) {
	t.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatalf("kubeconfig: %v", err)
	}
	c.ContentType = os.Getenv("CLIENTS_CONTENT_TYPE")
	c.QPS, c.Burst = 1000, 1000 // the client's own throttle would hide the server's pace
	w := &wire{}
	c.Wrap(w.wrap)
	t.Cleanup(func() {
		if t.Failed() {
			for _, e := range w.seen[max(0, len(w.seen)-shown):] {
				t.Logf("%s %s?%s accept %s, content type %s: %d %s %v", e.method, e.path, e.query.Encode(), e.accept, e.contentType, e.status, e.answerType, e.err)
			}
		}
	})
	return c, w
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until the condition answers "", else fails with what it last answered.
func eventually(t *testing.T, what string, condition func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		missing := condition()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: after %v still: %s", what, patience, missing)
		}
		time.Sleep(poll)
	}
}

func restartServer(t *testing.T) {
	t.Helper()
	fmt.Println("\n@@restart")
	if _, err := stdin.ReadString('\n'); err != nil {
		t.Fatalf("nobody restarted the server: %v", err)
	}
}

// namespace makes a namespace of the test's own.
func namespace(t *testing.T, c *rest.Config) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())) + "-" + rand.String(5)
	if os.Getenv("CLIENTS_CUSTOM_ONLY") != "" {
		return name // a server of custom resources alone has no namespaces to make
	}
	core := kubernetes.NewForConfigOrDie(withType(c, runtime.ContentTypeJSON)).CoreV1().Namespaces()
	object := namespaceObject(name)
	if _, err := core.Create(context.Background(), object, metav1.CreateOptions{}); err != nil {
		t.Fatalf("create namespace %s: %v", name, err)
	}
	t.Cleanup(func() { _ = core.Delete(context.Background(), name, metav1.DeleteOptions{}) })
	return name
}

func withType(c *rest.Config, contentType string) *rest.Config {
	out := rest.CopyConfig(c)
	out.ContentType = contentType
	return out
}

var definitions = schema.GroupVersionResource{
	Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
}

// definition installs a CRD of the kind `Widget` in a group of the test's own and waits until it is served.
func definition(t *testing.T, c *rest.Config) schema.GroupVersionResource {
	t.Helper()
	group := "g" + rand.String(6) + ".clients.example.com"
	client := dynamic.NewForConfigOrDie(c)
	name := "widgets." + group
	open := map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced",
			"names": map[string]any{"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
			"versions": []any{map[string]any{
				"name": "v1", "served": true, "storage": true,
				"subresources": map[string]any{"status": map[string]any{}},
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type": "object",
					"properties": map[string]any{
						"spec": map[string]any{
							"type": "object",
							"properties": map[string]any{
								"size":  map[string]any{"type": "integer", "minimum": int64(0)},
								"color": map[string]any{"type": "string"},
							},
						},
						"status": open,
					},
				}},
			}},
		},
	}}
	ctx := within(t)
	if _, err := client.Resource(definitions).Create(ctx, object, metav1.CreateOptions{}); err != nil {
		t.Fatalf("create CRD: %v", err)
	}
	t.Cleanup(func() {
		_ = client.Resource(definitions).Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	resource := schema.GroupVersionResource{Group: group, Version: "v1", Resource: "widgets"}
	eventually(t, "CRD established", func() string {
		crd, err := client.Resource(definitions).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
		for _, condition := range conditions {
			m := condition.(map[string]any)
			if m["type"] == "Established" && m["status"] == "True" {
				if _, err := client.Resource(resource).List(ctx, metav1.ListOptions{}); err != nil {
					return err.Error()
				}
				return ""
			}
		}
		return fmt.Sprint(conditions)
	})
	return resource
}

func widget(resource schema.GroupVersionResource, name string, size int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": resource.GroupVersion().String(), "kind": "Widget",
		"metadata": map[string]any{"name": name},
		"spec":     map[string]any{"size": size},
	}}
}
