/// What Weir needs of a kernel, and what it does without. README, `weir doctor` and every refusal say it in these words.
package enum KernelNeeds {
    /// The oldest that `make test-kernels` boots.
    package static let floor = "Linux 6.1 or later with BTF"
    package static let withoutTCX = "before Linux 6.6 there is no TCX, so a clsact filter outlives a `kill -9` until the next start"
    package static let withoutMayGoto = "before Linux 6.9 there is no may_goto, so the bounded programs are loaded, which judge alike"
}
