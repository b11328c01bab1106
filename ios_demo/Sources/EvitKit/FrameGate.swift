import Foundation

/// Lets one frame in at a time: frames that come while another is being classified are dropped and counted, never queued.
public final class FrameGate: @unchecked Sendable {  // the lock guards both variables
    private let lock = NSLock()
    private var busy = false
    private var droppedFrames = 0

    public init() {}

    public var dropped: Int { lock.withLock { droppedFrames } }

    /// Whether the frame may go in; whoever it let in calls `leave`.
    public func enter() -> Bool {
        lock.withLock {
            if busy { droppedFrames += 1 }
            defer { busy = true }
            return !busy
        }
    }

    public func leave() { lock.withLock { busy = false } }
}
