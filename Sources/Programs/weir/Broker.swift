internal import Front
internal import Glibc
internal import Kafka
internal import Linux

/// The broker of demonstrations, in a process of its own: librdkafka's mock cluster, for trying things out.
/// It says where it listens, and ends when nobody holds its standard input any more.
func serveBroker() throws -> CInt {
    do {
        let broker = try MockBroker()
        print(broker.bootstrap)
        flush()
        var byte: UInt8 = 0
        while unsafe read(0, &byte, 1) > 0 {}
        return 0
    } catch { throw Refusal.cannot("broker: \(error)") }
}
