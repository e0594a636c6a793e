/// What a component may require: known by its name in plans, traces and errors.
package protocol Provided: Sendable {
    var name: String { get }
}

/// A value that one component makes and others use. The graph is what orders the two: who borrows or takes it requires it, and so
/// starts when its maker has ended. At most one component takes it, and those that borrow it are declared as that one's requirements
/// (`tidy.py provisions` looks).
@safe package final class Provision<Value: ~Copyable>: Provided, @unchecked Sendable {
    package let name: String
    // Written once by the maker's thread. The start-up's lock lies between that and each reader.
    private var value: Value?

    package init(_ name: String) { self.name = name }

    package init(_ name: String, of value: consuming Value) {
        self.name = name
        self.value = consume value
    }

    /// Once.
    package func fill(_ value: consuming Value) {
        precondition(self.value == nil, "a provision is filled once")
        self.value = consume value
    }

    package func take() -> Value {
        guard let value = value.take() else { preconditionFailure("what is taken was required") }
        return value
    }

    /// Several threads may do so at once.
    package func lend<Result: ~Copyable, Failure: Error>(_ body: (borrowing Value) throws(Failure) -> Result) throws(Failure) -> Result {
        guard value != nil else { preconditionFailure("what is borrowed was required") }
        return try body(value!)
    }
}

extension Provision {
    /// As often as wanted.
    package var copy: Value { lend { $0 } }
}
