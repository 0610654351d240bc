package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

type deprecated interface {
	APILifecycleDeprecated() (major, minor int)
}

type removed interface {
	APILifecycleRemoved() (major, minor int)
}

type replaced interface {
	APILifecycleReplacement() schema.GroupVersionKind
}

// writeLifecycle prints, for each version of a kind that is deprecated, since when, until when, and what stands in its place:
// a line for each, so that changes can be read.
func writeLifecycle() error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	lines := map[string][]string{}
	for gvk := range scheme.AllKnownTypes() {
		object, err := scheme.New(gvk)
		if err != nil {
			return err
		}
		since, ok := object.(deprecated)
		if !ok || gvk.GroupVersion() == earlyJobs {
			continue
		}
		major, minor := since.APILifecycleDeprecated()
		entry := []string{fmt.Sprintf("%d.%d", major, minor), "", "", ""}
		if until, ok := object.(removed); ok {
			major, minor := until.APILifecycleRemoved()
			entry[1] = fmt.Sprintf("%d.%d", major, minor)
		}
		if other, ok := object.(replaced); ok {
			replacement := other.APILifecycleReplacement()
			entry[2], entry[3] = replacement.GroupVersion().String(), replacement.Kind
		}
		lines[gvk.GroupVersion().String()+" "+gvk.Kind] = entry
	}
	keys := keysOf(lines)
	sort.Strings(keys)
	fmt.Println("{")
	for i, key := range keys {
		line, err := json.Marshal(lines[key])
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stdout, "%q: %s%s\n", key, line, map[bool]string{true: ","}[i < len(keys)-1])
	}
	fmt.Println("}")
	return nil
}
