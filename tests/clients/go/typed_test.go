package clients

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"
)

func TestTypedConfigMaps(t *testing.T) {
	c, _ := config(t)
	ns, ctx := namespace(t, c), within(t)
	maps := kubernetes.NewForConfigOrDie(c).CoreV1().ConfigMaps(ns)
	object := configMap("", "1")
	object.GenerateName = "made-"
	object.BinaryData = map[string][]byte{"raw": {0, 255, 1}}
	created, err := maps.Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(created.Name) != len("made-")+5 || created.UID == "" || created.CreationTimestamp.IsZero() {
		t.Errorf("created: %v", created)
	}
	got, err := maps.Get(ctx, created.Name, metav1.GetOptions{})
	if err != nil || string(got.BinaryData["raw"]) != "\x00\xff\x01" || got.ResourceVersion != created.ResourceVersion {
		t.Errorf("got: %v, %v", got, err)
	}
	// An update that changes nothing is no change.
	same, err := maps.Update(ctx, got, metav1.UpdateOptions{})
	if err != nil || same.ResourceVersion != created.ResourceVersion {
		t.Errorf("same: %v, %v", same, err)
	}
	// Many writers of one counter, each retrying on conflict: no increment is lost.
	const writers = 8
	done := make(chan error, writers)
	for range writers {
		go func() {
			done <- retry.RetryOnConflict(retry.DefaultBackoff, func() error {
				current, err := maps.Get(ctx, created.Name, metav1.GetOptions{})
				if err != nil {
					return err
				}
				current.Data["k"] += "+"
				_, err = maps.Update(ctx, current, metav1.UpdateOptions{})
				return err
			})
		}()
	}
	succeeded := 0
	for range writers {
		if err := <-done; err == nil {
			succeeded++
		} else if !apierrors.IsConflict(err) {
			t.Error(err)
		}
	}
	got, err = maps.Get(ctx, created.Name, metav1.GetOptions{})
	if err != nil || len(got.Data["k"]) != 1+succeeded || succeeded == 0 {
		t.Errorf("%d increments succeeded: %v, %v", succeeded, got.Data, err)
	}
	patched, err := maps.Patch(ctx, created.Name, types.StrategicMergePatchType, []byte(`{"data":{"k":null,"l":"2"}}`), metav1.PatchOptions{})
	if err != nil || len(patched.Data) != 1 || patched.Data["l"] != "2" {
		t.Errorf("strategic merge patch: %v, %v", patched, err)
	}
	frozen := configMap("frozen", "1")
	yes := true
	frozen.Immutable = &yes
	if _, err := maps.Create(ctx, frozen, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := maps.Update(ctx, configMap("frozen", "2"), metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("update of an immutable ConfigMap: %v", err)
	}
	if _, err := maps.Create(ctx, configMap("Bad_Name", "1"), metav1.CreateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("bad name: %v", err)
	}
}

func TestTypedSecrets(t *testing.T) {
	c, _ := config(t)
	ns, ctx := namespace(t, c), within(t)
	secrets := kubernetes.NewForConfigOrDie(c).CoreV1().Secrets(ns)
	created, err := secrets.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "one"},
		Data:       map[string][]byte{"raw": {0, 255}},
		StringData: map[string]string{"text": "héllo"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if string(created.Data["text"]) != "héllo" || string(created.Data["raw"]) != "\x00\xff" || created.Type != corev1.SecretTypeOpaque || created.StringData != nil {
		t.Errorf("created: %v", created)
	}
	list, err := secrets.List(ctx, metav1.ListOptions{FieldSelector: "type=Opaque"})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("list by type: %v, %v", list, err)
	}
}

func TestTypedNamespaces(t *testing.T) {
	c, _ := config(t)
	ns, ctx := namespace(t, c), within(t)
	client := kubernetes.NewForConfigOrDie(c)
	got, err := client.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
	if err != nil || got.Status.Phase != corev1.NamespaceActive || got.Labels["kubernetes.io/metadata.name"] != ns {
		t.Fatalf("namespace: %v, %v", got, err)
	}
	for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		if _, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err != nil {
			t.Errorf("namespace %s: %v", name, err)
		}
	}
	if _, err := client.CoreV1().ConfigMaps(ns).Create(ctx, configMap("in", "1"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	stream, err := client.CoreV1().ConfigMaps(ns).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=in"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Stop)
	if err := client.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "namespace emptied and gone", func() string {
		object, err := client.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return ""
		}
		return fmt.Sprint(object.Status, err)
	})
	if first := <-stream.ResultChan(); first.Type != watch.Added {
		t.Errorf("first event: %v", first)
	}
	if last := <-stream.ResultChan(); last.Type != watch.Deleted {
		t.Errorf("the object's end: %v", last)
	}
	if _, err := client.CoreV1().ConfigMaps(ns).Create(ctx, configMap("late", "1"), metav1.CreateOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("create in a namespace that is gone: %v", err)
	}
}

func TestTypedAccounts(t *testing.T) {
	c, _ := config(t)
	ns, ctx := namespace(t, c), within(t)
	client := kubernetes.NewForConfigOrDie(c)
	if _, err := client.CoreV1().ServiceAccounts(ns).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace's own account", func() string {
		_, err := client.CoreV1().ServiceAccounts(ns).Get(ctx, "default", metav1.GetOptions{})
		if err == nil {
			return ""
		}
		return err.Error()
	})
}

// The events that client-go's recorder sends: a create, then a patch that counts.
func TestEventRecorder(t *testing.T) {
	c, _ := config(t)
	ns, ctx := namespace(t, c), within(t)
	client := kubernetes.NewForConfigOrDie(c)
	about, err := client.CoreV1().ConfigMaps(ns).Create(ctx, configMap("subject", "1"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	t.Cleanup(broadcaster.Shutdown)
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "clients-test"})
	for range 3 {
		recorder.Event(about, corev1.EventTypeNormal, "Happened", "it happened")
	}
	eventually(t, "one event counted thrice", func() string {
		list, err := client.CoreV1().Events(ns).List(ctx, metav1.ListOptions{
			FieldSelector: "involvedObject.name=subject,reason=Happened,involvedObject.uid=" + string(about.UID),
		})
		if err != nil {
			return err.Error()
		}
		if len(list.Items) != 1 || list.Items[0].Count != 3 {
			return fmt.Sprint(list.Items)
		}
		return ""
	})
	modern, err := client.EventsV1().Events(ns).List(ctx, metav1.ListOptions{})
	if err != nil || len(modern.Items) != 1 || modern.Items[0].Note != "it happened" || modern.Items[0].Regarding.Name != "subject" {
		t.Errorf("the same event in events.k8s.io: %v, %v", modern, err)
	}
}
