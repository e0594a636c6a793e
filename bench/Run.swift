internal import Glibc
internal import Linux

/// `make bench`: each claim of speed beside its baseline, in one run, in a network namespace of its own.
func run() {
    do {
        try Network.makePrivate()
    } catch {
        print("weir-bench: needs root: it makes a network namespace and loads BPF (\(error))")
        exit(3)
    }
    do {
        var report = Report()
        try measureProbe(&report)
        try measureReflex(&report)
        try measureAgent(&report)
        try measureReplay(&report)
        report.show()
    } catch {
        print("weir-bench: \(error)")
        exit(1)
    }
}
