/// The order in which components start, computed from what each requires and provides. A value: it starts nothing.
package struct Plan: Sendable, Equatable {
    /// What a component is called, needs and makes.
    package struct Declaration: Sendable, Equatable {
        package let name: String
        package let requires: [String]
        package let provides: [String]

        package init(_ name: String, requires: [String] = [], provides: [String] = []) {
            self.name = name
            self.requires = requires
            self.provides = provides
        }
    }

    /// A graph that nothing can be started from. Each names the components concerned.
    package enum Fault: Error, Equatable, CustomStringConvertible {
        /// The members in their order: each requires what the next provides, and the last what the first provides.
        case cycle([String])
        case missing(requirement: String, of: String)
        case twoProviders(of: String, first: String, second: String)

        package var description: String {
            switch self {
            case .cycle(let members): "the start-up graph has a cycle: \((members + members.prefix(1)).joined(separator: " needs "))"
            case .missing(let requirement, let component): "\(component) requires \(requirement), which no component provides"
            case .twoProviders(let requirement, let first, let second): "\(first) and \(second) both provide \(requirement)"
            }
        }
    }

    package let components: [Declaration]
    /// For each component those whose provisions it requires, by their places in `components`, ascending.
    package let needs: [[Int]]
    /// Places in `components`: each behind all that it needs, and otherwise in the order of declaration.
    package let order: [Int]

    /// Kahn's algorithm (CACM 5/11, 1962), taking the component that was declared first wherever several could come next.
    package init(_ components: [Declaration]) throws(Fault) {
        var providers: [String: Int] = [:]
        for (index, component) in components.enumerated() {
            for provision in component.provides {
                if let first = providers[provision] {
                    throw .twoProviders(of: provision, first: components[first].name, second: component.name)
                }
                providers[provision] = index
            }
        }
        var needs: [[Int]] = []
        for component in components {
            var needed: Set<Int> = []
            for requirement in component.requires {
                guard let provider = providers[requirement] else { throw .missing(requirement: requirement, of: component.name) }
                needed.insert(provider)
            }
            needs.append(needed.sorted())
        }
        var left = needs.map(\.count), order: [Int] = []
        var ready = left.indices.filter { left[$0] == 0 }
        while !ready.isEmpty {
            let next = ready.removeFirst()
            order.append(next)
            for index in left.indices where needs[index].contains(next) {
                left[index] -= 1
                if left[index] == 0 { ready.insert(index, at: ready.firstIndex { $0 > index } ?? ready.count) }
            }
        }
        guard order.count == components.count else { throw .cycle(Self.cycle(needs, apart: Set(order)).map { components[$0].name }) }
        self.components = components
        self.needs = needs
        self.order = order
    }

    /// One cycle among those that could not be ordered: each of them needs another one of them, so whoever walks on comes back.
    private static func cycle(_ needs: [[Int]], apart ordered: Set<Int>) -> [Int] {
        guard var at = needs.indices.first(where: { !ordered.contains($0) }) else { return [] }
        var path: [Int] = []
        while true {
            if let start = path.firstIndex(of: at) { return Array(path[start...]) }
            path.append(at)
            guard let next = needs[at].first(where: { !ordered.contains($0) }) else { return path }
            at = next
        }
    }

    /// Those that cannot start without that one, directly or not, in the order of their start.
    package func dependants(of component: Int) -> [Int] {
        var found: Set<Int> = [component]
        return order.filter { index in
            guard !found.contains(index), needs[index].contains(where: found.contains) else { return false }
            found.insert(index)
            return true
        }
    }
}
