module example.invalid/tools/cfssl

go 1.26.0

require github.com/cloudflare/cfssl v1.6.5
