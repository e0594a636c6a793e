import Glibc
import Kafka
import Linux
import Messages
import Testing

@Suite struct KafkaManifestTests {
    @Test("manifests/kafka/topics.yaml has the topics that Topic.swift has, with the same settings")
    func topics() throws {
        let text = try #require(File.read("\(root)/manifests/kafka/topics.yaml", limit: 1 << 16))
        var found: [String: (partitions: Int?, settings: [String: String])] = [:]
        for document in text.split(separator: "\n---\n") {
            let lines = document.split(separator: "\n").filter { !$0.hasPrefix("#") }
            let names = lines.compactMap { $0.firstMatch(of: /name: ([a-z-]+),/)?.1 }
            let name = try #require(names.first)
            let partitions = lines.compactMap { $0.wholeMatch(of: #/  partitions: ([0-9]+)/#).flatMap { Int($0.1) } }.first
            let settings = lines.compactMap { $0.wholeMatch(of: #/    ([a-z.]+): "([^"]+)"/#).map { (String($0.1), String($0.2)) } }
            found[String(name)] = (partitions, Dictionary(uniqueKeysWithValues: settings))
        }
        #expect(found.keys.sorted() == Topic.all.map(\.name).sorted())
        for topic in Topic.all {
            var settings = try #require(found[topic.name]).settings
            #expect(settings.removeValue(forKey: "min.insync.replicas") == "2", "\(topic.name)")
            #expect(settings == Dictionary(uniqueKeysWithValues: topic.configuration.map { ($0.name, $0.value) }), "\(topic.name)")
            #expect(found[topic.name]?.partitions == topic.partitions, "\(topic.name)")
        }
    }

    @Test("Every property that manifests/base/kafka.conf names or proposes is one that librdkafka knows")
    func properties() throws {
        let text = try #require(File.read("\(root)/manifests/base/kafka.conf", limit: 1 << 16))
        let path = "/tmp/weir-kafka-conf-\(getpid())", secret = "/tmp/weir-kafka-secret-\(getpid())"
        defer { _ = (unlink(path), unlink(secret)) }
        #expect(File.write(secret, Array("the password\n".utf8)))
        // A proposal is a comment without a space; two of them are two ways to do one thing. The secret lies elsewhere than in a cluster.
        let proposed = text.split(separator: "\n").map { $0.hasPrefix("#") && !$0.hasPrefix("# ") ? $0.dropFirst() : $0[...] }.joined(
            separator: "\n"
        )
        .replacing("/etc/weir/kafka-tls/password", with: secret)
        let file = try #require(fopen(path, "w"))
        fputs(proposed, file)
        fclose(file)
        var configuration = KafkaConfiguration()
        try configuration.load(path)
        #expect(configuration.properties.count == 10)
        #expect(configuration.value(of: "sasl.password") == "the password")
    }
}
