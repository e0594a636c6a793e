import JSON
import Testing

private let file = "interfaces.py"

/// Which interfaces the real agent watches, in namespaces of its own.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct InterfacesTests {
    @Test(
        "500 interfaces under a soft limit of 1,024 files are attached at once, 600 that come later as well, and the machine's switch is what it was"
    )
    func many() throws {
        try play("many", of: file) { seen throws(JSONError) in
            #expect(try seen.integer("first") == 500)
            #expect(try seen.integer("failed") == 0)
            #expect(try seen.string("ready") == "ok")
            #expect(try seen.strings("programs") == ["1", "1"], "one on each hook")
            #expect(try seen.integer("named") == 256, "the metrics have a bound")
            #expect(try seen.integer("lines") < 40, "a burst is one line")
            #expect(try seen.boolean("switch"))
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test(
        "Where attaching takes long the agent starts with some and says that it is not ready; the rest follows, and the end waits for none")
    func slow() throws {
        try play("slow", of: file) { seen throws(JSONError) in
            #expect(try seen.integer("first") > 0)
            #expect(try seen.integer("first") < 160)
            #expect(try seen.integer("unready") == 503)
            #expect(try seen.string("why").hasSuffix("interfaces are not attached yet"))
            #expect(try seen.integer("last") == 160)
            #expect(try seen.string("said").contains("the kernel takes long to attach"))
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test(
        "What cannot be attached is tried again: where too few files are allowed the agent watches what it can, says that it is not ready, and why"
    )
    func retried() throws {
        try play("retried", of: file) { seen throws(JSONError) in
            #expect(try seen.integer("all") == 100)
            #expect(try seen.integer("watched") > 0)
            #expect(try seen.integer("watched") < 100)
            #expect(try seen.integer("ready") == 503)
            #expect(try seen.string("why").contains("too few open files are allowed (RLIMIT_NOFILE); and "))
            #expect(try seen.integer("zeros") == 100 - seen.integer("watched"), "a gauge for each that is not attached")
            #expect(try seen.strings("last").sorted() == (80..<100).map { "v\($0)" })
            #expect(try seen.integer("errors") == 1, "said once for all")
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test(
        "Every next hop of every default route is watched, in any table and family; a route that goes takes nothing with it, one that comes is followed"
    )
    func uplinks() throws {
        try play("uplinks", of: file) { seen throws(JSONError) in
            #expect(try seen.strings("first") == ["up1", "up2", "up3", "up4", "up5"])
            #expect(try seen.strings("unwatched") == ["way: a route by a gateway leaves by it"])
            #expect(try seen.strings("kept") == ["pod", "up1", "up2", "up3", "up4", "up5"])
            #expect(try seen.strings("left_over") == ["pod", "up1", "up3", "up4", "up5"], "what does not exist any more is let go")
            #expect(try seen.string("said").contains("not watched, and looks like an uplink interface=way"))
            let doctor = try seen.string("doctor")
            #expect(
                doctor.contains("up5, an uplink") && doctor.contains("way ")
                    && doctor.contains("looks like an uplink (a route by a gateway leaves by it)"), "\(doctor)")
            #expect(try seen.string("agent").contains("watches pod, up1, up3, up4, up5"))
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("The probe comes first on both hooks, so a program that was there before and ends the chain hides nothing")
    func inFront() throws {
        try play("in_front", of: file) { seen throws(JSONError) in
            #expect(try seen.strings("ingress") == ["limiter", "foreign"])
            #expect(try seen.strings("egress") == ["limiter_out", "foreign"])
            #expect(try seen.integer("most") == 3)
            #expect(try seen.integer("seen") == 8)
            #expect(try seen.string("said").contains("others are behind the probe interface=inner hook=ingress others=foreign (tcx)"))
            #expect(try seen.string("doctor").contains("ingress: foreign (tcx); an agent would come first"))
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("A filter that comes before ours, where it cannot be otherwise, is told of")
    func notFirst() throws {
        try play("not_first", of: file) { seen throws(JSONError) in
            #expect(
                try seen.string("said").contains(
                    "others are in front of the probe, which does not see what they keep interface=inner hook=ingress others=u32 filter (clsact)"
                ))
            #expect(
                try seen.string("doctor").contains("ingress: in front of an agent, which sees only what they let by: u32 filter (clsact)"))
            #expect(try seen.strings("filters") == ["limiter"])
            #expect(try seen.boolean("foreign"), "it stays when we go")
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("What somebody takes away is put back, said and counted; a second agent that is refused takes nothing of the first one's")
    func hands() throws {
        try play("hands", of: file) { seen throws(JSONError) in
            #expect(try seen.strings("tcx_gone") == [])
            #expect(try seen.string("tcx_said").contains("somebody took the probe from an interface; it is put back interface=inner"))
            #expect(try seen.integer("refused") == 2)
            #expect(try seen.string("why").contains("another process listens there"))
            #expect(try seen.strings("after_second") == ["limiter", "limiter_out"])
            #expect(try seen.string("said").split(separator: "\n").count { $0.contains("weir-agent: put back interface=inner") } == 2)
            #expect(try seen.integer("most") == 3)
            #expect(try seen.integer("failed") > 0)
            #expect(try seen.integer("code") == 0)
            #expect(try !seen.boolean("qdisc"))
        }
    }

    @Test(
        "Two agents on one interface are told of each other, and the one that ends leaves the other's alone",
        arguments: ["tcx", "clsact"] as [StaticString])
    func two(method: StaticString) throws {
        try play("two", of: file) { seen throws(JSONError) in
            try seen.object(method) { seen throws(JSONError) in
                #expect(
                    try seen.string("first").contains(
                        "another agent watches the same interfaces; each of the two counts and limits all of their handshakes interfaces=inner"
                    ))
                #expect(try seen.string("first").contains("node=second"))
                #expect(try seen.string("second").contains("node=first"))
                #expect(try seen.strings("both") == ["limiter", "limiter"])
                #expect(try seen.strings("left") == ["limiter"])
            }
        }
    }

    @Test(
        "An interface without Ethernet headers is taken, a kind that cannot be read is refused with one line, and ends the start when it was asked for by name"
    )
    func kinds() throws {
        try play("kinds", of: file) { seen throws(JSONError) in
            #expect(try seen.strings("interfaces") == ["tun0"])
            let refusal = "can0: frames of its kind (link type 280) cannot be read, so it is not watched"
            #expect(try seen.string("said").split(separator: "\n").count { $0.contains(refusal) } == 1)
            #expect(try seen.integer("refused") == 3)
            #expect(
                try seen.string("why")
                    == "weir-agent: \(refusal) (surroundings failed; not started without it: places, node, attach, verify limiter, verify outgoing)\n"
            )
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test("Ready is who watches something and has read the limits topic; else it says why not")
    func readiness() throws {
        try play("readiness", of: file) { seen throws(JSONError) in
            #expect(try seen.string("well") == "ok")
            #expect(try seen.string("nothing") == "nothing is attached")
            #expect(try seen.strings("gauges") == ["0.0", "0.0"])
            #expect(try seen.string("unread").hasPrefix("the topic security-throttle-limits has not been read"))
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test(
        "Limits of the topic hold from the first frame after a kill, without a broker too; one that the topic has no more is lifted, and not kept"
    )
    func keptLimits() throws {
        try play("kept_limits", of: file) { seen throws(JSONError) in
            #expect(try seen.integer("held") == 1)
            #expect(try seen.integer("ready") == 503, "it does not know what the topic says now")
            #expect(try seen.integer("most") == 1)
            #expect(try seen.integer("failed") > 0)
            #expect(try seen.string("said").contains("limits of an earlier run hold until the topic has been read limits=1"))
            #expect(try seen.integer("after") == 1, "the new one alone")
            #expect(try seen.integer("free") == 4)
            #expect(try seen.integer("last") == 1)
            #expect(try seen.integer("code") == 0)
        }
    }

    @Test(
        "A new agent takes a running one's port, spool and interfaces; both watch for a second, so an attacker gets no more; the old one goes on when the new one ends"
    )
    func takeOver() throws {
        try play("take_over", of: file) { seen throws(JSONError) in
            #expect(try seen.integer("unwatched") == 0)
            #expect(try seen.integer("both") > 0)
            #expect(try seen.integer("last_count") == 1)
            #expect(try seen.integer("most") == 3, "in any second, old and new together")
            #expect(try seen.integer("refused") == 2, "who does not ask is refused")
            #expect(try seen.integer("again") == 3)
            #expect(try seen.integer("again_failed") > 0)
            let old = try seen.string("old"), new = try seen.string("new")
            #expect(old.contains("the agent that took this one's place is gone; this one goes on"))
            #expect(new.contains("takes the place of a running agent"))
            #expect(!old.contains("another agent watches") && !new.contains("another agent watches"), "it is meant")
            #expect(try seen.strings("kept") == ["limiter"])
            #expect(try seen.integer("code") == 0)
            #expect(try seen.integer("end") == 0)
        }
    }

    @Test("An interface whose answers leave unwatched is named in log, status, metrics and doctor, until they leave by it")
    func oneWay() throws {
        try play("one_way", of: file) { seen throws(JSONError) in
            #expect(try seen.boolean("answered"))
            var ways: [String] = []
            try seen.objects("ways") { way throws(JSONError) in ways.append("\(try way.string("interface")) \(try way.string("way"))") }
            #expect(ways == ["inner in"])
            let gauges = try seen.strings("gauges")
            #expect(gauges.contains(#"weir_agent_interface_one_way{interface="inner",way="in"} 1"#), "\(gauges)")
            #expect(gauges.contains(#"weir_agent_interface_segments_total{interface="inner",from="server"} 0"#), "\(gauges)")
            #expect(try seen.string("doctor").contains("inner carries one direction"))
            let said = try seen.string("said")
            #expect(
                said.contains("the servers' answers leave by no interface that is watched interface=inner")
                    && said.contains("are seen again interface=inner"), "\(said)")
            #expect(try seen.integer("code") == 0)
        }
    }
}
