package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	openapiv2 "github.com/google/gnostic-models/openapiv2"
	openapiv3 "github.com/google/gnostic-models/openapiv3"
	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	models "k8s.io/kube-openapi/pkg/util/proto"
)

const openAPIV3Protobuf = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"

// published is a schema with all that a definition may say, and with texts that are hard to write down as YAML.
const published = `{"type": "object", "description": "A gadget: one # of \"many\".\nWith a second line.", "required": ["spec"],
"x-kubernetes-validations": [{"rule": "has(self.spec) &&\n  self.spec.size >= 0", "message": "size: not below 0 # ever"}],
"properties": {
  "spec": {"type": "object", "required": ["size"], "maxProperties": 20, "minProperties": 1, "title": "yes",
    "externalDocs": {"description": "more", "url": "https://gadgets.example.com"},
    "properties": {
      "size": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 10, "exclusiveMaximum": true, "multipleOf": 2, "default": 0},
      "share": {"type": "number", "minimum": -0.5, "maximum": 1e10, "exclusiveMinimum": true, "default": 1.5},
      "on": {"type": "boolean", "default": false},
      "text": {"type": "string", "minLength": 0, "maxLength": 1000, "pattern": "^.*$", "default": "", "nullable": true,
        "example": {"a": [1, [2.5, {"b": "c", "d": {}}], [], null, true], "two words": "x\ny\n", "n": "1"},
        "enum": ["", "yes", "null", "1", "1e3", "0x1F", "2001-01-02", "12:30", "a: b", "#x", "x #y", "- a", "it's", "say \"x\"", "a\nb",
          "a\nb\n", "a\n\n", "é", "\ud83d\ude00", "tab\there", "~", "<<", "=", "%x", "@x", "...", "---", "a ", "*", "{a}", "\\n", "\u0007"]},
      "either": {"x-kubernetes-int-or-string": true, "pattern": "^a", "default": 5},
      "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "port"], "maxItems": 5, "minItems": 0,
        "items": {"type": "object", "required": ["name", "port"], "x-kubernetes-map-type": "granular",
          "properties": {"name": {"type": "string"}, "port": {"type": "integer", "format": "int64", "maximum": 9007199254740993}}}},
      "grid": {"type": "array", "items": {"type": "array", "items": {"type": "string", "format": "date-time"}}, "default": [["2001-01-02T03:04:05Z"]]},
      "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
      "map": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": true}, "default": {"a": {"b": 1}}},
      "inner": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
      "some": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "$ref": {"type": "string"}, "x-a": {"type": "string"}},
        "allOf": [{"properties": {"a": {"maxLength": 9}}}], "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        "anyOf": [{"properties": {"a": {"enum": ["x"]}}}, {}], "not": {"required": ["a", "b"]}}
    }},
  "status": {"type": "object", "properties": {"size": {"type": "integer"}, "selector": {"type": "string"}}}
}}`

// publish installs the definition of a kind `Gadget` with that schema and waits until both documents tell of it.
func publish(t *testing.T, c *rest.Config) schema.GroupVersionKind {
	t.Helper()
	var said map[string]any
	if err := json.Unmarshal([]byte(published), &said); err != nil {
		t.Fatal(err)
	}
	gvk := schema.GroupVersionKind{Group: "g" + rand.String(6) + ".clients.example.com", Version: "v1", Kind: "Gadget"}
	name := "gadgets." + gvk.Group
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"group": gvk.Group, "scope": "Namespaced",
			"names": map[string]any{"plural": "gadgets", "kind": gvk.Kind},
			"versions": []any{map[string]any{
				"name": gvk.Version, "served": true, "storage": true,
				"schema":           map[string]any{"openAPIV3Schema": said},
				"selectableFields": []any{map[string]any{"jsonPath": ".spec.size"}},
				"subresources": map[string]any{
					"status": map[string]any{},
					"scale":  map[string]any{"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.selector"},
				},
			}},
		},
	}}
	client := dynamic.NewForConfigOrDie(withType(c, runtime.ContentTypeJSON)).Resource(definitions)
	if _, err := client.Create(within(t), object, metav1.CreateOptions{}); err != nil {
		t.Fatalf("create CRD: %v", err)
	}
	t.Cleanup(func() { _ = client.Delete(context.Background(), name, metav1.DeleteOptions{}) })
	raw := discovery.NewDiscoveryClientForConfigOrDie(c).RESTClient()
	for _, path := range []string{"/openapi/v2", "/openapi/v3"} {
		eventually(t, "the kind in "+path, func() string {
			text, err := raw.Get().AbsPath(path).SetHeader("Accept", "application/json").Do(context.Background()).Raw()
			if err != nil {
				return err.Error()
			}
			if !strings.Contains(string(text), gvk.Group+"/v1") {
				return fmt.Sprintf("no %s in %d bytes", gvk.Group, len(text))
			}
			return ""
		})
	}
	return gvk
}

// same tells whether gnostic reads the same message from the JSON form as the server sent, and shows where it begins to differ.
func same(t *testing.T, what string, sent, parsed proto.Message) {
	t.Helper()
	if proto.Equal(sent, parsed) {
		return
	}
	mine, theirs := fmt.Sprint(sent), fmt.Sprint(parsed)
	at := 0
	for at < min(len(mine), len(theirs)) && mine[at] == theirs[at] {
		at++
	}
	from := max(0, at-200)
	t.Errorf("%s: sent\n%.500s\ngnostic reads of the JSON\n%.500s", what, mine[from:], theirs[from:])
}

func TestOpenAPIProtobuf(t *testing.T) {
	c, w := config(t)
	gvk := publish(t, c)
	client := discovery.NewDiscoveryClientForConfigOrDie(c)

	begin := w.mark()
	sent, err := client.OpenAPISchema()
	if err != nil {
		t.Fatal(err)
	}
	if got := w.answered(begin)[0].answerType; got != "application/com.github.proto-openapi.spec.v2.v1.0+protobuf" {
		t.Errorf("version 2 came as %s", got)
	}
	text, err := client.RESTClient().Get().AbsPath("/openapi/v2").SetHeader("Accept", "application/json").Do(within(t)).Raw()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := openapiv2.ParseDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "version 2", sent, parsed)

	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := paths["apis/"+gvk.GroupVersion().String()]; !ok {
		t.Fatalf("no document of %s", gvk.GroupVersion())
	}
	for path, group := range paths {
		begin := w.mark()
		packed, err := group.Schema(openAPIV3Protobuf)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if got := w.answered(begin)[0].answerType; got != "application/com.github.proto-openapi.spec.v3.v1.0+protobuf" {
			t.Errorf("%s came as %s", path, got)
		}
		text, err := group.Schema("application/json")
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		sent, parsed := &openapiv3.Document{}, (*openapiv3.Document)(nil)
		if err := proto.Unmarshal(packed, sent); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if parsed, err = openapiv3.ParseDocument(text); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		same(t, path, sent, parsed)
	}
}

// TestOpenAPIModels reads version 2 as kubectl does: the models, the kinds in their extensions, the documentation.
func TestOpenAPIModels(t *testing.T) {
	c, _ := config(t)
	gvk := publish(t, c)
	document, err := discovery.NewDiscoveryClientForConfigOrDie(c).OpenAPISchema()
	if err != nil {
		t.Fatal(err)
	}
	found, err := models.NewOpenAPIData(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found.ListModels() {
		model := found.LookupModel(name)
		kinds, _ := model.GetExtensions()["x-kubernetes-group-version-kind"].([]any)
		for _, kind := range kinds {
			said := kind.(map[any]any)
			if said["group"] != gvk.Group || said["kind"] != gvk.Kind {
				continue
			}
			if !strings.HasPrefix(model.GetDescription(), `A gadget: one # of "many".`) {
				t.Errorf("description: %q", model.GetDescription())
			}
			spec := model.(*models.Kind).Fields["spec"].(*models.Kind)
			size, ok := spec.Fields["size"].(*models.Primitive)
			if fmt.Sprint(spec.RequiredFields) != "[size]" || !ok || size.Type != "integer" || size.Format != "int32" {
				t.Errorf("spec: %v %v", spec.RequiredFields, spec.Fields["size"])
			}
			if keys := spec.Fields["list"].GetExtensions()["x-kubernetes-list-map-keys"]; fmt.Sprint(keys) != "[name port]" {
				t.Errorf("keys: %v", keys)
			}
			return
		}
	}
	t.Errorf("no model of %s among %d", gvk, len(found.ListModels()))
}
