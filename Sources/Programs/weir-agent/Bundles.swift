internal import Bundles
internal import Detection
internal import Front
internal import Glibc
internal import Kafka
internal import Linux
internal import Log
internal import Messages
internal import NetPoll
internal import Rollout
internal import Synchronization
internal import Units

/// What the command line asks for of bundles, and what an earlier run has left of them.
struct BundleSettings: Sendable {
    /// As it was read at the start.
    let directory: BundleDirectory?
    let readsTopic: Bool
    /// With what was kept, and what lies in the directory.
    let desk: BundleDesk
    let outcomes: [BundleDesk.Outcome]
    /// Said at the start.
    let lost: [String]
}

/// The policies topic, followed from its beginning.
final class PoliciesReader {
    let follower: KafkaFollower
    init(_ kafka: KafkaConfiguration, node: String) throws(KafkaError) {
        follower = try KafkaFollower(kafka, topics: [Topic.policies.name], name: node)
    }
}

/// Reads bundles, verifies and keeps them on a thread of its own. A whole policy takes half a millisecond, and a disk as long as it likes;
/// verdicts wait for neither.
final class BundleWatch: Sendable {
    /// What the loop is told.
    struct News: Sendable {
        var outcomes: [BundleDesk.Outcome] = []
        /// The one to run, if it is another one.
        var policy: Policy?
        var running: SignedBundle?
        /// What else went wrong, a line each.
        var troubles: [String] = []
        /// Times that the state could not be written.
        var unsaved = 0
    }

    private let news = Mutex<News?>(nil)
    /// False while another agent has this one's place, and its state with it.
    private let mayWrite = Mutex(true)
    private let wake: EventCounter
    private let done: EventCounter

    init() throws(Errno) {
        wake = try EventCounter()
        done = try EventCounter()
    }

    /// Readable when there is news.
    var eventDescriptor: CInt { done.eventDescriptor }

    func take() -> News? {
        done.take()
        return news.withLock { news in
            defer { news = nil }
            return news
        }
    }

    /// Looks into the directory at once.
    func look() { wake.raise() }

    func write(_ may: Bool) { mayWrite.withLock { $0 = may } }

    /// Once the rights are given up, for a thread inherits what its maker has.
    func start(_ settings: BundleSettings, _ topic: PoliciesReader?, state: String?) {
        let worker = Worker(self, settings, topic, state: state)
        var thread = pthread_t()
        unsafe pthread_create(&thread, nil, bundleThread, Unmanaged.passRetained(worker).toOpaque())
        pthread_detach(thread)
    }

    fileprivate func say(_ found: News) {
        news.withLock { news in
            var all = news ?? News()
            all.outcomes += found.outcomes
            if let policy = found.policy { all.policy = policy }
            all.running = found.running
            all.troubles += found.troubles
            all.unsaved += found.unsaved
            news = all
        }
        done.raise()
    }

    /// All of the thread's.
    fileprivate final class Worker {
        private let watch: BundleWatch
        private var desk: BundleDesk
        private var directory: BundleDirectory?
        private let topic: PoliciesReader?
        private let state: String?
        private var saved: BundleState?
        /// Said once, until it is another or has ended.
        private var troubles: [Trouble: String] = [:]
        private enum Trouble { case directory, tooMany, disk, topic }

        init(_ watch: BundleWatch, _ settings: BundleSettings, _ topic: PoliciesReader?, state: String?) {
            self.watch = watch
            desk = settings.desk
            directory = settings.directory
            self.topic = topic
            self.state = state
        }

        /// The directory is asked once a second and not watched: no watcher sees a symbolic link that is swapped above it, or what
        /// another machine writes.
        private static let milliseconds = 1000
        /// Each may have half a megabyte.
        private static let recordsATurn = 16

        func run() {
            guard var poller = try? Poller(), (try? poller.add(watch.wake.eventDescriptor, as: 0)) != nil else { return }
            if let topic { try? poller.add(topic.follower.eventDescriptor, as: 1) }
            while true {
                var offers = readDirectory()
                if let topic, readTopic(topic, into: &offers) { poller.again(1) }
                consider(offers)
                save()
                _ = try? poller.wait(milliseconds: Self.milliseconds)
                watch.wake.take()
            }
        }

        private func readDirectory() -> [BundleDesk.Offer] {
            do throws(Errno) {
                let offers = try directory?.news() ?? []
                let path = directory?.path ?? "", beyond = directory?.passedOver ?? 0
                complain(.tooMany, beyond == 0 ? nil : "\(path): \(beyond) files beyond \(BundleDirectory.mostFiles) are passed over")
                complain(.directory, nil)
                return offers
            } catch {
                complain(.directory, "\(directory?.path ?? ""): cannot be read: \(error)")
                return []
            }
        }

        private func complain(_ about: Trouble, _ text: String?) {
            guard text != troubles[about] else { return }
            troubles[about] = text
            if let text { watch.say(News(running: desk.book.running, troubles: [text])) }
        }

        /// True when there is more.
        private func readTopic(_ topic: PoliciesReader, into offers: inout [BundleDesk.Offer]) -> Bool {
            // That Kafka is away the publisher says; that this topic may not be read nobody else does.
            var refusal: String?
            defer { if let refusal { complain(.topic, refusal) } }
            return topic.follower.drain(atMost: Self.recordsATurn) { event in
                switch event {
                case .notice(.failure(let error)) where error.isAuthorization || error.isUnknownTopic:
                    refusal = "\(Topic.policies.name): \(error)"
                case .endOfPartition: complain(.topic, nil)
                case .record(let record) where !record.isTombstone:
                    let bytes = record.withValue { bytes in
                        unsafe bytes.withUnsafeBytes { unsafe Array($0.prefix(PolicyBundle.sizeLimit + 1)) }
                    }
                    offers.append(BundleDesk.Offer(origin: "\(Topic.policies.name) offset \(record.offset)", document: bytes))
                default: break
                }
            }
        }

        private func consider(_ offers: [BundleDesk.Offer]) {
            guard !offers.isEmpty else { return }
            let before = desk.book.running?.digest
            let outcomes = desk.consider(offers, at: Instant(nanoseconds: Clock.wall)).filter { $0.verdict != .known }
            let isNew = desk.book.running?.digest != before
            // On the disk before it runs: a node that was killed does not go back to an older one.
            save()
            guard !outcomes.isEmpty else { return }
            watch.say(News(outcomes: outcomes, policy: isNew ? desk.policy : nil, running: desk.book.running))
        }

        /// A full disk keeps no policy away: it is tried again, and said.
        private func save() {
            guard let state, watch.mayWrite.withLock({ $0 }) else { return }
            let now = desk.state
            guard now != saved, now != BundleState() else { return }
            do throws(Errno) {
                try now.save(to: state)
                saved = now
                complain(.disk, nil)
            } catch {
                complain(.disk, "what is known of bundles cannot be kept: \(error); after a restart an older one would be taken")
                watch.say(News(running: desk.book.running, unsaved: 1))
            }
        }
    }
}

private func bundleThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    unsafe Unmanaged<BundleWatch.Worker>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
