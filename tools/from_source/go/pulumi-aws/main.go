// Command pulumi-resource-aws is a test fixture: a stand-in for the official Pulumi AWS plugin where that one cannot be
// had. It runs a Terraform AWS provider binary that is already on the machine and serves the few resources and functions
// which this project uses, under the tokens and property names of the pulumi-aws SDK. It is for tests against a simulated
// AWS only; nothing about the official plugin follows from it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/spf13/afero"

	"github.com/pulumi/pulumi-terraform-bridge/v3/dynamic/internal/shim/run"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/proto"
	pfbridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"
)

// version must equal the version of the pulumi-aws Python package; the linker may set it.
var version = "7.51.1"

// providerEnv names the Terraform AWS provider binary to run; `terraform init` fetches it.
const providerEnv = "HARDWAY_TERRAFORM_AWS"

func main() {
	ctx := context.Background()
	path, err := providerPath()
	if err == nil {
		err = serve(ctx, path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-aws (test fixture):", err)
		os.Exit(1)
	}
}

func providerPath() (string, error) {
	if p := os.Getenv(providerEnv); p != "" {
		return p, nil
	}
	return "", fmt.Errorf("this is hardway's test fixture, not the official plugin: set %s to a terraform-provider-aws "+
		"binary to test with it, or use an official pulumi, which gets the official plugin", providerEnv)
}

func serve(ctx context.Context, path string) error {
	tf, err := run.LocalProvider(ctx, path)
	if err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	defer tf.Close()
	info := providerInfo(proto.New(ctx, &asTerraform{ProviderServer: tf}))
	pfbridge.Main(ctx, info.Name, info, pfbridge.ProviderMetadata{
		XGetSchema: func(ctx context.Context, _ plugin.GetSchemaRequest) ([]byte, error) {
			g, err := tfgen.NewGenerator(tfgen.GeneratorOptions{
				Package: info.Name, Version: info.Version, Language: tfgen.Schema, ProviderInfo: info,
				Root: afero.NewMemMapFs(), XInMemoryDocs: true, SkipExamples: true,
				Sink: diag.DefaultSink(os.Stderr, os.Stderr, diag.FormatOptions{Color: colors.Never}),
			})
			if err != nil {
				return nil, err
			}
			out, err := g.Generate(ctx)
			if err != nil {
				return nil, err
			}
			out.PackageSpec.Version = info.Version
			return json.Marshal(out.PackageSpec)
		},
	})
	return nil
}

// asTerraform stands between the bridge and the provider, and lets each see what it expects.
type asTerraform struct {
	tfprotov6.ProviderServer
	schemas sync.Map // of resources: *tfprotov6.Schema by type name
}

// GetProviderSchema hides every resource and data source that mapping.go does not name: the bridge then neither keeps
// nor walks the other thousand schemas.
func (s *asTerraform) GetProviderSchema(
	ctx context.Context, req *tfprotov6.GetProviderSchemaRequest,
) (*tfprotov6.GetProviderSchemaResponse, error) {
	all, err := s.ProviderServer.GetProviderSchema(ctx, req)
	if err != nil {
		return nil, err
	}
	few := *all
	few.ResourceSchemas = keep(all.ResourceSchemas, resources)
	few.DataSourceSchemas = keep(all.DataSourceSchemas, functions)
	few.Functions, few.EphemeralResourceSchemas = nil, nil
	for name, schema := range few.ResourceSchemas {
		s.schemas.Store(name, schema)
	}
	return &few, nil
}

// ApplyResourceChange sends the configuration as Terraform does: a block that is left out is an empty list or set and
// never null. The provider panics otherwise when it reads an instance that has a volume from elsewhere.
func (s *asTerraform) ApplyResourceChange(
	ctx context.Context, req *tfprotov6.ApplyResourceChangeRequest,
) (*tfprotov6.ApplyResourceChangeResponse, error) {
	if schema, ok := s.schemas.Load(req.TypeName); ok && req.Config != nil {
		config, err := withEmptyBlocks(req.Config, schema.(*tfprotov6.Schema))
		if err != nil {
			return nil, fmt.Errorf("configuration of %s: %w", req.TypeName, err)
		}
		changed := *req
		changed.Config = config
		req = &changed
	}
	return s.ProviderServer.ApplyResourceChange(ctx, req)
}

func withEmptyBlocks(config *tfprotov6.DynamicValue, schema *tfprotov6.Schema) (*tfprotov6.DynamicValue, error) {
	typ := schema.ValueType()
	value, err := config.Unmarshal(typ)
	if err != nil || value.IsNull() || !value.IsKnown() {
		return config, err
	}
	var parts map[string]tftypes.Value
	if err := value.As(&parts); err != nil {
		return nil, err
	}
	for _, block := range schema.Block.BlockTypes {
		repeated := block.Nesting == tfprotov6.SchemaNestedBlockNestingModeList ||
			block.Nesting == tfprotov6.SchemaNestedBlockNestingModeSet
		if part, ok := parts[block.TypeName]; ok && repeated && part.IsNull() {
			parts[block.TypeName] = tftypes.NewValue(part.Type(), []tftypes.Value{})
		}
	}
	out, err := tfprotov6.NewDynamicValue(typ, tftypes.NewValue(typ, parts))
	return &out, err
}

func keep[T any](all map[string]*tfprotov6.Schema, mapped map[string]T) map[string]*tfprotov6.Schema {
	few := make(map[string]*tfprotov6.Schema, len(mapped))
	for name := range mapped {
		s, ok := all[name]
		if !ok {
			continue
		}
		for _, a := range s.Block.Attributes {
			if a.Name == "tags_all" { // an output in the SDK; as an input it would show up in every diff of tags
				a.Optional = false
			}
		}
		few[name] = s
	}
	return few
}
