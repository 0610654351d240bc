package clients

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	fleetv1 "example.com/watchd/clients/api/v1"
)

var fleetsResource = fleetv1.GroupVersion.WithResource("fleets")

func fleetMapper(c *rest.Config) meta.ResettableRESTMapper {
	discovered := memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(c))
	return restmapper.NewDeferredDiscoveryRESTMapper(discovered)
}

// The client that HorizontalPodAutoscalers and kubectl scale are made of.
func TestFleetScale(t *testing.T) {
	c, _ := config(t)
	direct, ns, ctx := fleets(t, c), namespace(t, c), within(t)
	one := fleet(ns, "one")
	if err := direct.Create(ctx, one); err != nil {
		t.Fatal(err)
	}
	one.Status.Ships, one.Status.Selector = 1, "fleet=one"
	if err := direct.Status().Update(ctx, one); err != nil {
		t.Fatal(err)
	}
	kinds := scale.NewDiscoveryScaleKindResolver(discovery.NewDiscoveryClientForConfigOrDie(c))
	kind, err := kinds.ScaleForResource(fleetsResource)
	if err != nil || kind != autoscalingv1.SchemeGroupVersion.WithKind("Scale") {
		t.Fatalf("scale kind: %v, %v", kind, err)
	}
	scales, err := scale.NewForConfig(rest.CopyConfig(c), fleetMapper(c), dynamic.LegacyAPIPathResolverFunc, kinds)
	if err != nil {
		t.Fatal(err)
	}
	resource, mine := fleetsResource.GroupResource(), scales.Scales(ns)
	got, err := mine.Get(ctx, resource, "one", metav1.GetOptions{})
	if err != nil || got.Spec.Replicas != 1 || got.Status.Replicas != 1 || got.Status.Selector != "fleet=one" || got.UID != one.UID || got.ResourceVersion != one.ResourceVersion {
		t.Fatalf("get: %+v, %v", got, err)
	}
	stale := got.DeepCopy()
	got.Spec.Replicas = 4
	got, err = mine.Update(ctx, resource, got, metav1.UpdateOptions{FieldManager: "scaler"})
	if err != nil || got.Spec.Replicas != 4 || got.ResourceVersion == stale.ResourceVersion {
		t.Fatalf("update: %+v, %v", got, err)
	}
	stale.Spec.Replicas = 5
	if _, err := mine.Update(ctx, resource, stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("stale update: %v", err)
	}
	if _, err := mine.Patch(ctx, fleetsResource, "one", types.MergePatchType, []byte(`{"spec":{"replicas":6}}`), metav1.PatchOptions{FieldManager: "scaler"}); err != nil {
		t.Error(err)
	}
	if _, err := mine.Patch(ctx, fleetsResource, "one", types.MergePatchType, []byte(`{"spec":{"replicas":-1}}`), metav1.PatchOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("negative: %v", err)
	}
	if err := direct.Get(ctx, client.ObjectKeyFromObject(one), one); err != nil {
		t.Fatal(err)
	}
	if *one.Spec.Replicas != 6 || one.Generation != 3 || one.Status.Ships != 1 {
		t.Errorf("scaled: %+v", one)
	}
	if got := owned(t, one, "scaler", "Update"); !slices.Equal(got, []string{".spec.replicas"}) || !slices.Contains(managers(one), "scaler Update scale") {
		t.Errorf("scaler owns %q of %q", got, managers(one))
	}
	if _, err := mine.Get(ctx, resource, "two", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("scale of nothing: %v", err)
	}
	if _, err := mine.Get(ctx, fleetv1.GroupVersion.WithResource("ships").GroupResource(), "one", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("scale of a kind without: %v", err)
	}
}

// Metadata alone: read, patched, listed, watched, and cached by a controller-runtime cache.
func TestFleetMetadata(t *testing.T) {
	c, w := config(t)
	direct, ns, ctx := fleets(t, c), namespace(t, c), within(t)
	one := fleet(ns, "one")
	one.Labels = map[string]string{"sea": "north"}
	if err := direct.Create(ctx, one); err != nil {
		t.Fatal(err)
	}
	partial := &metav1.PartialObjectMetadata{}
	partial.SetGroupVersionKind(fleetv1.GroupVersion.WithKind("Fleet"))
	key := client.ObjectKeyFromObject(one)
	if err := direct.Get(ctx, key, partial); err != nil || partial.UID != one.UID || partial.Kind != "Fleet" {
		t.Fatalf("get: %+v, %v", partial, err)
	}
	before := partial.DeepCopy()
	partial.Annotations = map[string]string{"note": "yes"}
	if err := direct.Patch(ctx, partial, client.MergeFrom(before)); err != nil || partial.Generation != 1 || partial.ResourceVersion == before.ResourceVersion {
		t.Errorf("patch: %+v, %v", partial, err)
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(fleetv1.GroupVersion.WithKind("FleetList"))
	if err := direct.List(ctx, list, client.InNamespace(ns), client.MatchingLabels{"sea": "north"}); err != nil || len(list.Items) != 1 || list.Items[0].Annotations["note"] != "yes" {
		t.Errorf("list: %+v, %v", list, err)
	}

	cached, err := ctrlcache.New(c, ctrlcache.Options{Scheme: direct.Scheme(), DefaultNamespaces: map[string]ctrlcache.Config{ns: {}}})
	if err != nil {
		t.Fatal(err)
	}
	begin := w.mark()
	go func() { _ = cached.Start(ctx) }()
	if err := cached.Get(ctx, key, partial); err != nil {
		t.Fatal(err)
	}
	if err := direct.Delete(ctx, partial); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cache forgets", func() string {
		if err := cached.Get(ctx, key, partial); !apierrors.IsNotFound(err) {
			return fmt.Sprint(err)
		}
		return ""
	})
	for _, e := range w.answered(begin) {
		if e.method == "GET" && strings.HasSuffix(e.path, "/fleets") && !strings.Contains(e.accept, "as=PartialObjectMetadata") {
			t.Errorf("asked for whole objects: %+v", e)
		}
	}

	watching, err := client.NewWithWatch(c, client.Options{Scheme: direct.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := watching.Watch(ctx, &fleetv1.FleetList{}, client.InNamespace(ns), client.MatchingFields{"spec.hull": "wood"})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Stop()
	two := fleet(ns, "two")
	if err := direct.Create(ctx, two.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	two.Name, two.Spec.Hull = "three", "wood"
	if err := direct.Create(ctx, two); err != nil {
		t.Fatal(err)
	}
	if seen := <-stream.ResultChan(); seen.Type != watch.Added || seen.Object.(*fleetv1.Fleet).Name != "three" {
		t.Errorf("watched: %v", seen)
	}
}

// Tables, as kubectl and dashboards ask for them, through a plain REST client.
func TestFleetTable(t *testing.T) {
	c, _ := config(t)
	direct, ns, ctx := fleets(t, c), namespace(t, c), within(t)
	one := fleet(ns, "one")
	one.Spec.Home = &fleetv1.Home{Harbor: "Hull"}
	if err := direct.Create(ctx, one); err != nil {
		t.Fatal(err)
	}
	one.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "R", LastTransitionTime: metav1.Now()}}
	if err := direct.Status().Update(ctx, one); err != nil {
		t.Fatal(err)
	}
	plain := rest.CopyConfig(c)
	plain.GroupVersion, plain.APIPath = &fleetv1.GroupVersion, "/apis"
	plain.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	raw, err := rest.RESTClientFor(plain)
	if err != nil {
		t.Fatal(err)
	}
	get := func(parameter ...string) *metav1.Table {
		t.Helper()
		request := raw.Get().Namespace(ns).Resource("fleets").SetHeader("Accept", "application/json;as=Table;g=meta.k8s.io;v=v1")
		for _, each := range parameter {
			request = request.Param("includeObject", each)
		}
		body, err := request.DoRaw(ctx)
		if err != nil {
			t.Fatal(err)
		}
		table := &metav1.Table{}
		if err := json.Unmarshal(body, table); err != nil || table.Kind != "Table" {
			t.Fatalf("%s, %v", body, err)
		}
		return table
	}
	table := get()
	var columns []string
	for _, column := range table.ColumnDefinitions {
		columns = append(columns, fmt.Sprintf("%s %s %d", column.Name, column.Type, column.Priority))
	}
	want := []string{"Name string 0", "Hull string 0", "Ships integer 0", "Ready string 0", "Harbor string 1", "Age date 0"}
	if !slices.Equal(columns, want) {
		t.Errorf("columns: %q", columns)
	}
	if len(table.Rows) != 1 || fmt.Sprint(table.Rows[0].Cells[:5]) != "[one steel 1 True Hull]" {
		t.Fatalf("rows: %+v", table.Rows)
	}
	if !strings.Contains(string(table.Rows[0].Object.Raw), `"PartialObjectMetadata"`) || !strings.Contains(string(table.Rows[0].Object.Raw), string(one.UID)) {
		t.Errorf("the row's object: %s", table.Rows[0].Object.Raw)
	}
	if object := string(get("Object").Rows[0].Object.Raw); !strings.Contains(object, `"hull":"steel"`) {
		t.Errorf("the row's whole object: %s", object)
	}
	if object := get("None").Rows[0].Object.Raw; len(object) != 0 && string(object) != "null" {
		t.Errorf("the row's object, not asked for: %s", object)
	}
}

// What discovery, the REST mapper and OpenAPI say of the kind.
func TestFleetDiscovery(t *testing.T) {
	c, _ := config(t)
	fleets(t, c)
	mapper := fleetMapper(c)
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: fleetv1.GroupVersion.Group, Kind: "Fleet"})
	if err != nil || mapping.Resource != fleetsResource || mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		t.Errorf("mapping: %+v, %v", mapping, err)
	}
	client := discovery.NewDiscoveryClientForConfigOrDie(c)
	expander := restmapper.NewShortcutExpander(mapper, client, func(warning string) { t.Error(warning) })
	if full, err := expander.ResourceFor(schema.GroupVersionResource{Resource: "flt"}); err != nil || full != fleetsResource {
		t.Errorf("short name: %v, %v", full, err)
	}
	categories := restmapper.NewDiscoveryCategoryExpander(client)
	if in, ok := categories.Expand("ocean"); !ok || !slices.Contains(in, fleetsResource.GroupResource()) {
		t.Errorf("category: %v", in)
	}
	root := openapi3.NewRoot(client.OpenAPIV3())
	document, err := root.GVSpec(fleetv1.GroupVersion)
	if err != nil {
		t.Fatal(err)
	}
	defined, ok := document.Components.Schemas["com.example.clients.fleet.v1.Fleet"]
	if !ok {
		t.Fatalf("schemas: %v", len(document.Components.Schemas))
	}
	spec := defined.Properties["spec"]
	replicas := spec.Properties["replicas"]
	if fmt.Sprint(replicas.Default) != "1" || *replicas.Maximum != 20 || replicas.Description != "How many ships there should be." {
		t.Errorf("replicas: %+v", replicas)
	}
	if !slices.Equal(spec.Required, []string{"hull"}) || spec.Properties["holds"].Extensions["x-kubernetes-list-type"] != "map" {
		t.Errorf("spec: %+v", spec)
	}
	if kinds := fmt.Sprint(defined.Extensions["x-kubernetes-group-version-kind"]); !strings.Contains(kinds, "Fleet") {
		t.Errorf("kinds: %s", kinds)
	}
	if path := document.Paths.Paths["/apis/fleet.clients.example.com/v1/namespaces/{namespace}/fleets/{name}/scale"]; path == nil || path.Put == nil || path.Patch == nil {
		t.Errorf("the path of scale: %+v", path)
	}
}

// Informers see defaults that writers did not send, in every media type and both ways of getting the state.
func TestInformerDefaults(t *testing.T) {
	c, w := config(t)
	fleets(t, c)
	ns, ctx := namespace(t, c), within(t)
	client := dynamic.NewForConfigOrDie(c)
	mine := client.Resource(fleetsResource).Namespace(ns)
	make := func(name string) {
		t.Helper()
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": fleetv1.GroupVersion.String(), "kind": "Fleet", "metadata": map[string]any{"name": name},
			"spec": map[string]any{"hull": "wood", "parameters": map[string]any{"float": 1.5, "list": []any{"a", nil, int64(2)}}},
		}}
		if _, err := mine.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		make(name)
	}
	begin := w.mark()
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, ns, nil)
	informer := factory.ForResource(fleetsResource)
	if err := informer.Informer().AddIndexers(cache.Indexers{"hull": func(object any) ([]string, error) {
		hull, _, err := unstructured.NestedString(object.(*unstructured.Unstructured).Object, "spec", "hull")
		return []string{hull}, err
	}}); err != nil {
		t.Fatal(err)
	}
	n := start(t, informer.Informer())
	n.expect(t, "add a", "add b", "add c")
	make("d")
	if _, err := mine.Patch(ctx, "a", types.MergePatchType, []byte(`{"spec":{"replicas":null,"crew":{"max":9}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	n.expect(t, "add a", "add b", "add c", "add d", "update a")
	indexed, err := informer.Informer().GetIndexer().ByIndex("hull", "wood")
	if err != nil || len(indexed) != 4 {
		t.Fatalf("indexed: %v, %v", indexed, err)
	}
	for _, each := range indexed {
		object := each.(*unstructured.Unstructured)
		limit := map[bool]int64{true: 9, false: 5}[object.GetName() == "a"]
		want := map[string]any{
			"hull": "wood", "replicas": int64(1), "crew": map[string]any{"min": int64(1), "max": limit},
			"parameters": map[string]any{"float": 1.5, "list": []any{"a", nil, int64(2)}},
		}
		if got, _, _ := unstructured.NestedMap(object.Object, "spec"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the cache holds %v of %s, expected %v", got, object.GetName(), want)
		}
	}
	checkWire(t, &wire{seen: w.answered(begin)}, "fleets")
}
