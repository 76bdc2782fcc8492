// Command pulumi-resource-kubernetes serves the Kubernetes provider from its
// public Go module; the two data files come from that module (see kubernetes_schema in tools/preparations.py).
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

//go:embed embed/schema.json
var schema []byte

//go:embed embed/terraform-mapping.json
var terraformMapping []byte

// version is set with -ldflags "-X main.version=4.x.y"; it has to match
// the "version" in embed/schema.json.
var version = "0.0.0"

func main() {
	provider.Serve("kubernetes", version, schema, terraformMapping)
}
