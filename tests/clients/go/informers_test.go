package clients

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
)

// notes keeps what an informer told its handler, in order: "add a", "update a", "delete a".
type notes struct {
	mu   sync.Mutex
	said []string
	last uint64 // the newest resourceVersion told
	bad  []string
}

func (n *notes) note(verb string, object any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		n.bad = append(n.bad, "the informer missed the delete of "+tombstone.Key)
		object = tombstone.Obj
	}
	m, err := meta.Accessor(object)
	if err != nil {
		n.bad = append(n.bad, err.Error())
		return
	}
	n.said = append(n.said, verb+" "+m.GetName())
	revision, err := strconv.ParseUint(m.GetResourceVersion(), 10, 64)
	if err != nil {
		n.bad = append(n.bad, err.Error())
	}
	if len(n.said) > initial && revision <= n.last {
		n.bad = append(n.bad, fmt.Sprintf("%s %s at %d after %d", verb, m.GetName(), revision, n.last))
	}
	n.last = max(n.last, revision)
}

// initial is how many objects each informer test makes before its informer starts; those arrive in key order.
const initial = 3

func (n *notes) handler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { n.note("add", o) },
		UpdateFunc: func(_, o any) { n.note("update", o) },
		DeleteFunc: func(o any) { n.note("delete", o) },
	}
}

// expect waits for exactly these notes; the first `initial` in any order.
func (n *notes) expect(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, "informer", func() string {
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.bad) > 0 {
			t.Fatalf("informer: %v", n.bad)
		}
		got := slices.Clone(n.said)
		sort.Strings(got[:min(initial, len(got))])
		if !slices.Equal(got, want) {
			return fmt.Sprintf("told %q, expected %q", got, want)
		}
		return ""
	})
}

func start(t *testing.T, informer cache.SharedIndexInformer) *notes {
	t.Helper()
	n := &notes{}
	if _, err := informer.AddEventHandler(n.handler()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { informer.RunWithContext(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	eventually(t, "informer synced", func() string {
		if informer.HasSynced() {
			return ""
		}
		return "not synced"
	})
	return n
}

// checkWire holds the informer to the way of getting its state that the run asks for (CLIENTS_WATCHLIST, CLIENTS_MEDIA).
func checkWire(t *testing.T, w *wire, resource string) {
	t.Helper()
	watchList, lists := false, 0
	for _, e := range w.answered(0) {
		if !strings.HasSuffix(e.path, "/"+resource) || e.method != "GET" || e.status != 200 {
			continue
		}
		switch {
		case e.isWatch():
			watchList = watchList || e.get("sendInitialEvents") == "true"
			if media := os.Getenv("CLIENTS_MEDIA"); media == "cbor" && e.answerType != "application/cbor-seq" {
				t.Errorf("watch answered in %q, asked for %q", e.answerType, e.accept)
			} else if media == "json" && e.answerType != runtime.ContentTypeJSON {
				t.Errorf("watch answered in %q", e.answerType)
			} else if media == "protobuf" && resource == "configmaps" && e.answerType != runtime.ContentTypeProtobuf {
				t.Errorf("watch answered in %q, asked for %q", e.answerType, e.accept)
			}
		default:
			lists++
		}
	}
	if asked := os.Getenv("CLIENTS_WATCHLIST") == "true"; asked != watchList || asked != (lists == 0) {
		t.Errorf("WatchList asked for: %v; streamed: %v; lists: %d", asked, watchList, lists)
	}
}

func configMap(name, value string) *corev1.ConfigMap {
	metadata := metav1.ObjectMeta{Name: name, Labels: map[string]string{"mine": "yes"}}
	return &corev1.ConfigMap{ObjectMeta: metadata, Data: map[string]string{"k": value}}
}

func namespaceObject(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func TestInformerTyped(t *testing.T) {
	c, w := config(t)
	ns, ctx := namespace(t, c), within(t)
	client := kubernetes.NewForConfigOrDie(c)
	maps := client.CoreV1().ConfigMaps(ns)
	create := func(name string) {
		t.Helper()
		if _, err := maps.Create(ctx, configMap(name, "1"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		create(name)
	}
	// The namespace may hold objects that a controller made.
	mine := informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = "mine" })
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(ns), mine)
	informer := factory.Core().V1().ConfigMaps()
	n := start(t, informer.Informer())
	n.expect(t, "add a", "add b", "add c")
	create("d")
	object, err := maps.Update(ctx, configMap("a", "2"), metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := maps.Delete(ctx, "b", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	n.expect(t, "add a", "add b", "add c", "add d", "update a", "delete b")
	cached, err := informer.Lister().ConfigMaps(ns).Get("a")
	if err != nil || cached.Data["k"] != "2" || cached.ResourceVersion != object.ResourceVersion || cached.UID != object.UID {
		t.Errorf("cache holds %v (%v), the server answered %v", cached, err, object)
	}
	checkWire(t, w, "configmaps")
}

func TestInformerCustom(t *testing.T) {
	c, w := config(t)
	resource, ns, ctx := definition(t, c), namespace(t, c), within(t)
	client := dynamic.NewForConfigOrDie(c)
	widgets := client.Resource(resource).Namespace(ns)
	for i, name := range []string{"a", "b", "c"} {
		if _, err := widgets.Create(ctx, widget(resource, name, int64(i)), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	begin := w.mark()
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, ns, nil)
	n := start(t, factory.ForResource(resource).Informer())
	n.expect(t, "add a", "add b", "add c")
	if _, err := widgets.Patch(ctx, "c", types.MergePatchType, []byte(`{"spec":{"size":9}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := widgets.Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := widgets.Create(ctx, widget(resource, "a", 7), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	n.expect(t, "add a", "add b", "add c", "update c", "delete a", "add a")
	checkWire(t, &wire{seen: w.answered(begin)}, "widgets")
}

// An informer with a label selector sees an object leave and enter its selection as a delete and an add.
func TestInformerSelection(t *testing.T) {
	c, _ := config(t)
	resource, ns, ctx := definition(t, c), namespace(t, c), within(t)
	client := dynamic.NewForConfigOrDie(c)
	widgets := client.Resource(resource).Namespace(ns)
	for _, name := range []string{"a", "b", "c"} {
		object := widget(resource, name, 1)
		object.SetLabels(map[string]string{"in": "yes"})
		if _, err := widgets.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := widgets.Create(ctx, widget(resource, "out", 1), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, ns, func(o *metav1.ListOptions) {
		o.LabelSelector = "in in (yes,also)"
	})
	n := start(t, factory.ForResource(resource).Informer())
	n.expect(t, "add a", "add b", "add c")
	label := func(name, value string) {
		t.Helper()
		patch := []byte(`{"metadata":{"labels":{"in":` + value + `}}}`)
		if _, err := widgets.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	label("a", `"no"`)
	label("out", `"also"`)
	label("b", `"also"`)
	label("out", `null`)
	n.expect(t, "add a", "add b", "add c", "delete a", "add out", "update b", "delete out")
}

func TestInformerMetadata(t *testing.T) {
	c, w := config(t)
	resource, ns, ctx := definition(t, c), namespace(t, c), within(t)
	widgets := dynamic.NewForConfigOrDie(c).Resource(resource).Namespace(ns)
	for _, name := range []string{"a", "b", "c"} {
		if _, err := widgets.Create(ctx, widget(resource, name, 1), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	client := metadata.NewForConfigOrDie(c)
	factory := metadatainformer.NewFilteredSharedInformerFactory(client, 0, ns, nil)
	n := start(t, factory.ForResource(resource).Informer())
	if _, err := widgets.Patch(ctx, "b", types.MergePatchType, []byte(`{"spec":{"size":2}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	n.expect(t, "add a", "add b", "add c", "update b")
	object, err := factory.ForResource(resource).Lister().ByNamespace(ns).Get("b")
	if err != nil {
		t.Fatal(err)
	}
	if partial := object.(*metav1.PartialObjectMetadata); partial.UID == "" || partial.Generation != 2 {
		t.Errorf("cache holds %v", partial)
	}
	if !slices.ContainsFunc(w.answered(0), func(e exchange) bool {
		return e.isWatch() && strings.Contains(e.accept, "as=PartialObjectMetadata") && e.status == 200
	}) {
		t.Error("the informer asked for no metadata")
	}
}

// A restart costs an informer nothing: it goes on from its last resourceVersion, with no new list, no 410.
func TestInformerRestart(t *testing.T) {
	c, w := config(t)
	resource, ns, ctx := definition(t, c), namespace(t, c), within(t)
	client := dynamic.NewForConfigOrDie(c)
	widgets := client.Resource(resource).Namespace(ns)
	for _, name := range []string{"a", "b", "c"} {
		if _, err := widgets.Create(ctx, widget(resource, name, 1), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, ns, nil)
	n := start(t, factory.ForResource(resource).Informer())
	n.expect(t, "add a", "add b", "add c")
	if err := widgets.Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	n.expect(t, "add a", "add b", "add c", "delete a")
	before := w.mark()
	restartServer(t)
	eventually(t, "create after the restart", func() string {
		if _, err := widgets.Create(ctx, widget(resource, "d", 1), metav1.CreateOptions{}); err != nil {
			return err.Error()
		}
		return ""
	})
	if err := widgets.Delete(ctx, "b", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	n.expect(t, "add a", "add b", "add c", "delete a", "add d", "delete b")
	watched := false
	for _, e := range w.answered(before) {
		if !strings.HasSuffix(e.path, "/widgets") || e.method != "GET" {
			continue
		}
		if !e.isWatch() || e.get("sendInitialEvents") != "" || e.get("resourceVersion") == "" {
			t.Errorf("the informer started over: %s?%v answered %d", e.path, e.query, e.status)
		}
		watched = watched || (e.isWatch() && e.status == 200)
	}
	if !watched {
		t.Error("the informer did not watch again")
	}
}

// Many informers at once, each with all objects.
func TestInformersMany(t *testing.T) {
	const informersAtOnce, objects = 20, 40
	c, _ := config(t)
	resource, ns, ctx := definition(t, c), namespace(t, c), within(t)
	client := dynamic.NewForConfigOrDie(c)
	widgets := client.Resource(resource).Namespace(ns)
	var all []cache.SharedIndexInformer
	for range informersAtOnce {
		factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, ns, nil)
		informer := factory.ForResource(resource).Informer()
		start(t, informer)
		all = append(all, informer)
	}
	for i := range objects {
		if _, err := widgets.Create(ctx, widget(resource, fmt.Sprintf("w%02d", i), 1), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	for i, informer := range all {
		eventually(t, fmt.Sprintf("informer %d", i), func() string {
			if got := len(informer.GetStore().ListKeys()); got != objects {
				return fmt.Sprintf("%d of %d objects", got, objects)
			}
			return ""
		})
	}
	t.Logf("%d informers had %d objects %v after the last create", informersAtOnce, objects, time.Since(begin))
}
