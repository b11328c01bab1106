// Compiled into the app's module: what Foundation and libc have on iOS and not on Linux.
import Foundation

extension ProcessInfo {
    enum ThermalState { case nominal, fair, serious, critical }
    var thermalState: ThermalState { .nominal }
}
extension URL {
    static var applicationSupportDirectory: URL { URL(fileURLWithPath: "") }
}
func getrusage(_ who: __rusage_who, _ usage: UnsafeMutablePointer<rusage>) -> Int32 { 0 }
