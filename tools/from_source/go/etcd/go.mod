module example.invalid/tools/etcd

go 1.26.0

require (
	go.etcd.io/etcd/etcdctl/v3 v3.7.2
	go.etcd.io/etcd/etcdutl/v3 v3.7.2
	go.etcd.io/etcd/server/v3 v3.7.2
)
