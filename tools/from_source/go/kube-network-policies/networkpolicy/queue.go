package networkpolicy

import (
	"errors"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// nfqFlagBypass is NFQ_FLAG_BYPASS of linux/netfilter/xt_NFQUEUE.h.
const nfqFlagBypass = 1

// knowsQueue tells whether the kernel has the expression `queue` of nftables (CONFIG_NFT_QUEUE). It asks once, by a
// batch that leaves nothing behind. An error that says something else, such as a missing right, is not a "no".
var knowsQueue = sync.OnceValue(func() bool {
	nft, err := nftables.New()
	if err != nil {
		return true
	}
	table := nft.AddTable(&nftables.Table{Name: "kube-network-policies-probe", Family: nftables.TableFamilyINet})
	chain := nft.AddChain(&nftables.Chain{Name: "probe", Table: table})
	nft.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Queue{Num: 0}}})
	nft.DelTable(table)
	return !errors.Is(nft.Flush(), unix.ENOENT)
})

// toQueue returns the expression that hands a packet to a queue. A kernel without `queue` of nftables gets the target
// NFQUEUE of xtables, revision 3, which does the same.
func toQueue(queue *expr.Queue) expr.Any {
	if knowsQueue() {
		return queue
	}
	var flags uint16
	if queue.Flag&expr.QueueFlagBypass != 0 {
		flags = nfqFlagBypass
	}
	// struct xt_NFQ_info_v3: the number, how many queues, flags; aligned to eight bytes.
	var info xt.Unknown
	for _, value := range []uint16{queue.Num, 1, flags, 0} {
		info = append(info, binaryutil.NativeEndian.PutUint16(value)...)
	}
	return &expr.Target{Name: "NFQUEUE", Rev: 3, Info: &info}
}
