package clients

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/pager"
	watchtools "k8s.io/client-go/tools/watch"
)

// next takes one event of a watch that is not a bookmark.
func next(t *testing.T, events <-chan watch.Event) (watch.EventType, *unstructured.Unstructured) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		select {
		case event, open := <-events:
			if !open {
				t.Fatal("the watch ended")
			}
			if event.Type == watch.Bookmark {
				continue
			}
			object, ok := event.Object.(*unstructured.Unstructured)
			if !ok {
				t.Fatalf("the watch gave %s %v", event.Type, event.Object)
			}
			return event.Type, object
		case <-deadline.C:
			t.Fatal("no event")
		}
	}
}

func TestDynamicCRUD(t *testing.T) {
	c, _ := config(t)
	resource, ns, ctx := definition(t, c), namespace(t, c), within(t)
	widgets := dynamic.NewForConfigOrDie(c).Resource(resource).Namespace(ns)

	list, err := widgets.List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) != 0 || list.GetKind() != "WidgetList" || list.GetResourceVersion() == "" {
		t.Fatalf("empty list: %v, %v", list, err)
	}
	stream, err := widgets.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Stop)

	created, err := widgets.Create(ctx, widget(resource, "one", 1), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if created.GetGeneration() != 1 {
		t.Errorf("created: %v", created)
	}
	if _, err := widgets.Create(ctx, widget(resource, "one", 1), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Errorf("second create: %v", err)
	}
	if _, err := widgets.Get(ctx, "two", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("get of nothing: %v", err)
	}

	stale := created.DeepCopy()
	_ = unstructured.SetNestedField(created.Object, int64(2), "spec", "size")
	updated, err := widgets.Update(ctx, created, metav1.UpdateOptions{})
	if err != nil || updated.GetGeneration() != 2 {
		t.Fatalf("update: %v, %v", updated, err)
	}
	_ = unstructured.SetNestedField(stale.Object, int64(3), "spec", "size")
	if _, err := widgets.Update(ctx, stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("stale update: %v", err)
	}

	_ = unstructured.SetNestedField(updated.Object, "good", "status", "phase")
	_ = unstructured.SetNestedField(updated.Object, int64(50), "spec", "size") // must not pass by /status
	status, err := widgets.UpdateStatus(ctx, updated, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	size, _, _ := unstructured.NestedInt64(status.Object, "spec", "size")
	if phase, _, _ := unstructured.NestedString(status.Object, "status", "phase"); phase != "good" || size != 2 || status.GetGeneration() != 2 {
		t.Errorf("status: %v", status)
	}

	patched, err := widgets.Patch(ctx, "one", types.JSONPatchType, []byte(`[{"op":"replace","path":"/spec/size","value":4}]`), metav1.PatchOptions{})
	if err != nil || patched.GetGeneration() != 3 {
		t.Fatalf("json patch: %v, %v", patched, err)
	}
	dry, err := widgets.Patch(ctx, "one", types.MergePatchType, []byte(`{"spec":{"size":5}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	if size, _, _ := unstructured.NestedInt64(dry.Object, "spec", "size"); err != nil || size != 5 {
		t.Fatalf("dry run: %v, %v", dry, err)
	}

	wrong := types.UID("00000000-0000-4000-8000-000000000000")
	if err := widgets.Delete(ctx, "one", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &wrong}}); !apierrors.IsConflict(err) {
		t.Errorf("delete with another uid: %v", err)
	}
	if err := widgets.Delete(ctx, "one", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := widgets.Get(ctx, "one", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("get after delete: %v", err)
	}

	for _, expected := range []struct {
		event   watch.EventType
		version string
		size    int64
	}{
		{watch.Added, stale.GetResourceVersion(), 1},
		{watch.Modified, updated.GetResourceVersion(), 2},
		{watch.Modified, status.GetResourceVersion(), 2},
		{watch.Modified, patched.GetResourceVersion(), 4},
		{watch.Deleted, "", 4},
	} {
		event, object := next(t, stream.ResultChan())
		size, _, _ := unstructured.NestedInt64(object.Object, "spec", "size")
		if event != expected.event || size != expected.size {
			t.Errorf("watch gave %s with size %d, expected %v", event, size, expected)
		}
		if expected.version != "" && object.GetResourceVersion() != expected.version {
			t.Errorf("watch gave %s at %s, expected %v", event, object.GetResourceVersion(), expected)
		}
	}
}

func TestDynamicDeleteCollection(t *testing.T) {
	c, _ := config(t)
	resource, ns, ctx := definition(t, c), namespace(t, c), within(t)
	widgets := dynamic.NewForConfigOrDie(c).Resource(resource).Namespace(ns)
	for i := range 6 {
		object := widget(resource, fmt.Sprintf("w%d", i), int64(i))
		object.SetLabels(map[string]string{"odd": fmt.Sprint(i%2 == 1)})
		if _, err := widgets.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := widgets.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "odd=true"}); err != nil {
		t.Fatal(err)
	}
	list, err := widgets.List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range list.Items {
		names = append(names, item.GetName())
	}
	if !slices.Equal(names, []string{"w0", "w2", "w4"}) {
		t.Errorf("left: %v", names)
	}
}

// All pages of a list are one snapshot, whatever is written between them.
func TestPager(t *testing.T) {
	const objects, page = 25, 10
	c, w := config(t)
	resource, ns, ctx := definition(t, c), namespace(t, c), within(t)
	widgets := dynamic.NewForConfigOrDie(c).Resource(resource).Namespace(ns)
	var want []string
	for i := range objects {
		name := fmt.Sprintf("w%02d", i)
		want = append(want, name)
		if _, err := widgets.Create(ctx, widget(resource, name, 1), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	begin := w.mark()
	pages, versions := 0, map[string]bool{}
	lister := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		list, err := widgets.List(ctx, options)
		if err != nil {
			return nil, err
		}
		pages++
		versions[list.GetResourceVersion()] = true
		if left := list.GetRemainingItemCount(); pages < 3 && (left == nil || int(*left) != objects-pages*page) {
			t.Errorf("page %d: remainingItemCount %v", pages, left)
		}
		// A write after every page: none of them may show.
		if _, err := widgets.Create(ctx, widget(resource, fmt.Sprintf("w%02dx", pages*page), 1), metav1.CreateOptions{}); err != nil {
			return nil, err
		}
		if err := widgets.Delete(ctx, fmt.Sprintf("w%02d", objects-pages), metav1.DeleteOptions{}); err != nil {
			return nil, err
		}
		return list, nil
	})
	lister.PageSize = page
	lister.PageBufferSize = 0
	var got []string
	if err := lister.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error {
		got = append(got, o.(*unstructured.Unstructured).GetName())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) || pages != 3 || len(versions) != 1 {
		t.Errorf("%d pages at revisions %v: %v", pages, versions, got)
	}
	continued := 0
	for _, e := range w.answered(begin) {
		if e.get("continue") != "" {
			continued++
		}
	}
	if continued != 2 {
		t.Errorf("%d requests had a continue token", continued)
	}
}

// A RetryWatcher, which only ever resumes, gives each event once and in order over a restart.
func TestRetryWatcher(t *testing.T) {
	c, _ := config(t)
	resource, ns, ctx := definition(t, c), namespace(t, c), within(t)
	widgets := dynamic.NewForConfigOrDie(c).Resource(resource).Namespace(ns)
	created, err := widgets.Create(ctx, widget(resource, "one", 0), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, created.GetResourceVersion(), &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return widgets.Watch(ctx, options)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watcher.Stop)
	set := func(size int) {
		t.Helper()
		eventually(t, "patch", func() string {
			_, err := widgets.Patch(ctx, "one", types.MergePatchType, fmt.Appendf(nil, `{"spec":{"size":%d}}`, size), metav1.PatchOptions{})
			if err != nil {
				return err.Error()
			}
			return ""
		})
	}
	check := func(size int) {
		t.Helper()
		event, object := next(t, watcher.ResultChan())
		if got, _, _ := unstructured.NestedInt64(object.Object, "spec", "size"); event != watch.Modified || got != int64(size) {
			t.Fatalf("%s with size %d, expected size %d", event, got, size)
		}
	}
	for size := 1; size <= 3; size++ {
		set(size)
	}
	check(1) // 2 and 3 may still be on their way when the server goes
	restartServer(t)
	for size := 4; size <= 6; size++ {
		set(size)
	}
	for size := 2; size <= 6; size++ {
		check(size)
	}
}
