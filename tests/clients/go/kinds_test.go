package clients

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

func podTemplate() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "nginx"}}},
	}
}

// TestKindsTyped writes built-in kinds with controller-runtime's typed client in protobuf, and reads them from its cache.
func TestKindsTyped(t *testing.T) {
	c, w := config(t)
	c = withType(c, runtime.ContentTypeProtobuf)
	ns, ctx := namespace(t, c), within(t)
	begin := w.mark()
	direct, err := client.New(c, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	cached, err := cache.New(c, cache.Options{Scheme: scheme.Scheme, DefaultNamespaces: map[string]cache.Config{ns: {}}})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- cached.Start(running) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the cache: %v", err)
		}
	}()

	job := podTemplate()
	job.Labels, job.Spec.RestartPolicy = nil, corev1.RestartPolicyNever
	meta := metav1.ObjectMeta{Name: "web", Namespace: ns}
	template := podTemplate()
	objects := []client.Object{
		&corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"k": "1"}, BinaryData: map[string][]byte{"raw": {0, 255}}},
		&corev1.Pod{ObjectMeta: meta, Spec: template.Spec},
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "web"},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}},
		}},
		&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: template.Labels}, Template: template,
		}},
		&batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: job}},
	}
	for _, object := range objects {
		if err := direct.Create(ctx, object); err != nil {
			t.Fatalf("create %T: %v", object, err)
		}
		patched := object.DeepCopyObject().(client.Object)
		patched.SetLabels(map[string]string{"patched": "yes"})
		if err := direct.Patch(ctx, patched, client.MergeFrom(object)); err != nil {
			t.Fatalf("patch %T: %v", object, err)
		}
		patched.SetAnnotations(map[string]string{"updated": "yes"})
		if err := direct.Update(ctx, patched); err != nil {
			t.Fatalf("update %T: %v", object, err)
		}
		eventually(t, "the cache has it", func() string {
			seen := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
			if err := cached.Get(ctx, client.ObjectKeyFromObject(object), seen); err != nil {
				return err.Error()
			}
			if seen.GetResourceVersion() != patched.GetResourceVersion() {
				return seen.GetResourceVersion()
			}
			seen.GetObjectKind().SetGroupVersionKind(patched.GetObjectKind().GroupVersionKind())
			if !reflect.DeepEqual(seen, patched) {
				t.Errorf("cached %v, written %v", seen, patched)
			}
			return ""
		})
	}

	var web appsv1.Deployment
	if err := direct.Get(ctx, client.ObjectKey{Namespace: ns, Name: "web"}, &web); err != nil {
		t.Fatal(err)
	}
	if *web.Spec.Replicas != 1 || web.Spec.Template.Spec.Containers[0].TerminationMessagePath != "/dev/termination-log" {
		t.Errorf("defaults: %v", web.Spec)
	}
	web.Status = appsv1.DeploymentStatus{ObservedGeneration: web.Generation, Replicas: 1, ReadyReplicas: 1, UpdatedReplicas: 1}
	if err := direct.Status().Update(ctx, &web); err != nil || web.Status.ReadyReplicas != 1 {
		t.Errorf("status: %v, %v", web.Status, err)
	}
	applied := appsapply.Deployment("web", ns).WithSpec(appsapply.DeploymentSpec().
		WithReplicas(4).
		WithSelector(metaapply.LabelSelector().WithMatchLabels(map[string]string{"app": "web"})).
		WithTemplate(coreapply.PodTemplateSpec().WithLabels(map[string]string{"app": "web"}).
			WithSpec(coreapply.PodSpec().WithContainers(coreapply.Container().WithName("web").WithImage("nginx:2")))))
	// controller-runtime reads what an apply is answered in JSON only.
	inJSON, err := client.New(withType(c, runtime.ContentTypeJSON), client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := inJSON.Apply(ctx, applied, client.FieldOwner("suite"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the applied deployment in the cache", func() string {
		var seen appsv1.DeploymentList
		if err := cached.List(ctx, &seen, client.InNamespace(ns), client.MatchingLabels{"patched": "yes"}); err != nil {
			return err.Error()
		}
		if len(seen.Items) != 1 || *seen.Items[0].Spec.Replicas != 4 || seen.Items[0].Status.ReadyReplicas != 1 {
			return seen.String()
		}
		return ""
	})
	for _, object := range objects {
		if err := direct.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
			t.Errorf("delete %T: %v", object, err)
		}
	}
	sent := 0
	for _, e := range w.answered(begin) {
		if e.contentType == runtime.ContentTypeProtobuf && e.answerType == runtime.ContentTypeProtobuf {
			sent++
		}
	}
	if sent < 2*len(objects) {
		t.Errorf("%d writes in protobuf", sent)
	}
}

// TestKindsExamples has the server fill each full example up, and Go's types read the answer and write it as it came.
func TestKindsExamples(t *testing.T) {
	directory := os.Getenv("CLIENTS_EXAMPLES")
	files, err := filepath.Glob(filepath.Join(directory, "*.full.yaml"))
	if err != nil || len(files) < 60 {
		t.Fatalf("CLIENTS_EXAMPLES=%s has %d examples: %v", directory, len(files), err)
	}
	c, _ := config(t)
	ns := namespace(t, c)
	resources, err := discovery.NewDiscoveryClientForConfigOrDie(c).ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	namespaced := map[string]bool{}
	for _, list := range resources {
		for _, resource := range list.APIResources {
			namespaced[list.GroupVersion+" "+resource.Name] = resource.Namespaced
		}
	}
	plain := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, kjson.SerializerOptions{Strict: true})
	for _, file := range files {
		parts := strings.Split(filepath.Base(file), ".")
		plural := parts[len(parts)-3]
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var example unstructured.Unstructured
		if err := yaml.Unmarshal(bytes.ReplaceAll(text, []byte("${namespace}"), []byte(ns)), &example.Object); err != nil {
			t.Fatal(err)
		}
		kind := example.GroupVersionKind()
		if !scheme.Scheme.Recognizes(kind) {
			continue // definitions and API services have types elsewhere
		}
		path := "/apis/" + example.GetAPIVersion()
		if kind.Group == "" {
			path = "/api/v1"
		}
		if namespaced[example.GetAPIVersion()+" "+plural] {
			path += "/namespaces/" + ns
		}
		t.Run(plural, func(t *testing.T) {
			body, err := example.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			inJSON := dryRun(t, c, path+"/"+plural, body, runtime.ContentTypeJSON)
			typed, _, err := plain.Decode(inJSON, &kind, nil)
			if err != nil {
				t.Fatal(err)
			}
			var again bytes.Buffer
			if err := plain.Encode(typed, &again); err != nil {
				t.Fatal(err)
			}
			if got, want := strings.TrimSpace(again.String()), strings.TrimSpace(string(inJSON)); !sameJSON(t, got, want) {
				t.Errorf("encoded %s\nserver   %s", got, want)
			}
			inProtobuf := dryRun(t, c, path+"/"+plural, body, runtime.ContentTypeProtobuf)
			serializer := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
			typed, _, err = serializer.Decode(inProtobuf, &kind, nil)
			if err != nil {
				t.Fatal(err)
			}
			again.Reset()
			typed.GetObjectKind().SetGroupVersionKind(kind)
			if err := serializer.Encode(typed, &again); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again.Bytes(), inProtobuf) {
				t.Errorf("encoded %x\nserver   %x", again.Bytes(), inProtobuf)
			}
		})
	}
}

func sameJSON(t *testing.T, left, right string) bool {
	t.Helper()
	var a, b any
	if err := yaml.Unmarshal([]byte(left), &a); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(right), &b); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(a, b)
}

// dryRun has the server answer to the creation of an object, in a format.
func dryRun(t *testing.T, c *rest.Config, path string, body []byte, accept string) []byte {
	t.Helper()
	web, err := rest.HTTPClientFor(c)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(within(t), http.MethodPost, c.Host+path+"?dryRun=All", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", runtime.ContentTypeJSON)
	request.Header.Set("Accept", accept)
	response, err := web.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("%d: %s", response.StatusCode, answer.String())
	}
	return answer.Bytes()
}
