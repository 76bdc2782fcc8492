package main

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

type entry struct {
	mod, name string
	maxName   int // length limit of an automatic name; 0: the resource is not named
}

// resources maps Terraform types to the module and type name of the pulumi-aws SDK.
var resources = map[string]entry{
	"aws_vpc":                             {"ec2", "Vpc", 0},
	"aws_subnet":                          {"ec2", "Subnet", 0},
	"aws_internet_gateway":                {"ec2", "InternetGateway", 0},
	"aws_route_table":                     {"ec2", "RouteTable", 0},
	"aws_route":                           {"ec2", "Route", 0},
	"aws_route_table_association":         {"ec2", "RouteTableAssociation", 0},
	"aws_security_group":                  {"ec2", "SecurityGroup", 255},
	"aws_default_security_group":          {"ec2", "DefaultSecurityGroup", 0},
	"aws_vpc_security_group_ingress_rule": {"vpc", "SecurityGroupIngressRule", 0},
	"aws_vpc_security_group_egress_rule":  {"vpc", "SecurityGroupEgressRule", 0},
	"aws_instance":                        {"ec2", "Instance", 0},
	"aws_eip":                             {"ec2", "Eip", 0},
	"aws_eip_association":                 {"ec2", "EipAssociation", 0},
	"aws_nat_gateway":                     {"ec2", "NatGateway", 0},
	"aws_volume_attachment":               {"ec2", "VolumeAttachment", 0},
	"aws_ebs_volume":                      {"ebs", "Volume", 0},
	"aws_lb":                              {"lb", "LoadBalancer", 32},
	"aws_lb_target_group":                 {"lb", "TargetGroup", 32},
	"aws_lb_target_group_attachment":      {"lb", "TargetGroupAttachment", 0},
	"aws_lb_listener":                     {"lb", "Listener", 0},
	"aws_iam_role":                        {"iam", "Role", 64},
	"aws_iam_instance_profile":            {"iam", "InstanceProfile", 128},
	"aws_iam_role_policy":                 {"iam", "RolePolicy", 128},
	"aws_s3_bucket":                       {"s3", "Bucket", 0},
	"aws_s3_bucket_versioning":            {"s3", "BucketVersioning", 0},
	"aws_s3_bucket_policy":                {"s3", "BucketPolicy", 0},
	"aws_s3_bucket_ownership_controls":    {"s3", "BucketOwnershipControls", 0},
	"aws_s3_bucket_public_access_block":   {"s3", "BucketPublicAccessBlock", 0},
	"aws_s3_bucket_lifecycle_configuration": {
		"s3", "BucketLifecycleConfiguration", 0,
	},
	"aws_s3_bucket_server_side_encryption_configuration": {
		"s3", "BucketServerSideEncryptionConfiguration", 0,
	},
}

// functions maps Terraform data sources to the functions of the pulumi-aws SDK.
var functions = map[string][2]string{
	"aws_availability_zones": {"index", "getAvailabilityZones"},
	"aws_caller_identity":    {"index", "getCallerIdentity"},
	"aws_subnet":             {"ec2", "getSubnet"},
	"aws_ssm_parameter":      {"ssm", "getParameter"},
	"aws_ami":                {"ec2", "getAmi"},
	"aws_ec2_instance_type":  {"ec2", "getInstanceType"},
	"aws_instances":          {"ec2", "getInstances"},
}

func providerInfo(p shim.Provider) tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P: p, Name: "aws", ResourcePrefix: "aws", Version: version,
		Description:  "Test fixture: a bridge to a local Terraform AWS provider.",
		MetadataInfo: &tfbridge.MetadataInfo{Data: tfbridge.ProviderMetadata(nil)},
		Resources:    map[string]*tfbridge.ResourceInfo{},
		DataSources:  map[string]*tfbridge.DataSourceInfo{},

		Config: map[string]*tfbridge.SchemaInfo{
			"default_tags": {MaxItemsOne: tfbridge.True()},
			"ignore_tags":  {MaxItemsOne: tfbridge.True()},
			"assume_role_with_web_identity": {
				Name: "assumeRoleWithWebIdentity", MaxItemsOne: tfbridge.True(),
			},
		},
	}
	for tf, e := range resources {
		r := &tfbridge.ResourceInfo{Tok: tfbridge.MakeResource("aws", e.mod, e.name), Fields: overrides[tf]}
		if e.maxName > 0 {
			if r.Fields == nil {
				r.Fields = map[string]*tfbridge.SchemaInfo{}
			}
			r.Fields["name"] = tfbridge.AutoName("name", e.maxName, "-")
		}
		r.PreCheckCallback = checkInputs(r, p.ResourcesMap().Get(tf).Schema())
		info.Resources[tf] = r
	}
	for tf, f := range functions {
		info.DataSources[tf] = &tfbridge.DataSourceInfo{
			Tok: tfbridge.MakeDataSource("aws", f[0], f[1]), Fields: overrides[tf],
		}
	}
	return info
}

// overrides holds the field names that the SDK spells otherwise than the bridge would by itself.
var overrides = map[string]map[string]*tfbridge.SchemaInfo{
	"aws_security_group":         {"ingress": {Name: "ingress"}, "egress": {Name: "egress"}},
	"aws_default_security_group": {"ingress": {Name: "ingress"}, "egress": {Name: "egress"}},
	// The wire schema of this resource does not tell which of its lists have one entry at most.
	"aws_s3_bucket_lifecycle_configuration": {"rule": {Elem: &tfbridge.SchemaInfo{Fields: map[string]*tfbridge.SchemaInfo{
		"abort_incomplete_multipart_upload": {MaxItemsOne: tfbridge.True()},
		"expiration":                        {MaxItemsOne: tfbridge.True()},
		"noncurrent_version_expiration":     {MaxItemsOne: tfbridge.True()},
		"filter": {MaxItemsOne: tfbridge.True(), Elem: &tfbridge.SchemaInfo{Fields: map[string]*tfbridge.SchemaInfo{
			"and": {MaxItemsOne: tfbridge.True()},
			"tag": {MaxItemsOne: tfbridge.True()},
		}}},
	}}}},
}

// jsonFields are the fields that take a policy document where the wire schema knows only a string.
var jsonFields = map[resource.PropertyKey]bool{"assumeRolePolicy": true, "policy": true}

// checkInputs encodes policy documents and refuses a property that this Terraform provider lacks: the bridge would drop
// it in silence.
func checkInputs(r *tfbridge.ResourceInfo, sch shim.SchemaMap) tfbridge.PreCheckCallback {
	known := map[resource.PropertyKey]bool{"__defaults": true}
	sch.Range(func(tf string, _ shim.Schema) bool {
		known[resource.PropertyKey(tfbridge.TerraformToPulumiNameV2(tf, sch, r.Fields))] = true
		return true
	})
	return func(_ context.Context, in, _ resource.PropertyMap) (resource.PropertyMap, error) {
		out := in.Copy()
		for k, v := range in {
			if !known[k] {
				return nil, fmt.Errorf("%s: this test fixture does not know property %q", r.Tok, k)
			}
			if jsonFields[k] && (v.IsObject() || v.IsArray()) {
				doc, err := tfbridge.TransformJSONDocument(v)
				if err != nil {
					return nil, fmt.Errorf("%s: property %q: %w", r.Tok, k, err)
				}
				out[k] = doc
			}
		}
		return out, nil
	}
}
