internal import CLinux
internal import Glibc

/// Wakes its owner when an interface comes or goes, or a default route does (rtnetlink(7)). What there is then, `Interfaces`
/// tells: so a message that is lost is only a wake-up that is lost, and the socket says when that happens.
package struct NetworkEvents: ~Copyable {
    package struct News: OptionSet, Sendable {
        package let rawValue: CInt
        package init(rawValue: CInt) { self.rawValue = rawValue }
        package static let link = News(rawValue: WEIR_NEWS_LINK)
        package static let defaultRoute = News(rawValue: WEIR_NEWS_ROUTE)
    }

    private let descriptor: FileDescriptor

    package init() throws(Errno) { descriptor = try FileDescriptor(owning: weir_network_events()) }

    /// For the caller's epoll; it stays ours.
    package var eventDescriptor: CInt { descriptor.rawValue }

    package func take() -> News { News(rawValue: weir_take_network_events(descriptor.rawValue)) }
}
