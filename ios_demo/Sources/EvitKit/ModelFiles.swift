import Foundation

/// A folder that `evit-mobile` wrote, in the app's bundle or on a disk. Every file is checked by SHA-256 before use.
public struct ModelFiles: Sendable {
    private let folder: URL

    public init(folder: URL) {
        self.folder = folder
    }

    /// All bytes of a file. Throws `Failure` when it cannot be read.
    func read(_ path: String) throws -> Data {
        try reading(path) { try Data(contentsOf: url(path)) }
    }

    /// All bytes of a file whose SHA-256 must be `sha256` (lower-case hexadecimal). Throws `Failure`.
    func readVerified(_ path: String, sha256: String) throws -> Data {
        let bytes = try read(path)
        try requireDigest(path, found: digest(of: bytes), expected: sha256)
        return bytes
    }

    /// Where a file or package lies whose SHA-256 was checked; runtimes open paths. Throws `Failure`.
    public func verified(_ path: String, sha256: String) throws -> URL {
        let found = try reading(path) { try digest(of: url(path)) }
        try requireDigest(path, found: found, expected: sha256)
        return url(path)
    }

    private func url(_ path: String) -> URL { folder.appendingPathComponent(path) }

    private func requireDigest(_ path: String, found: String, expected: String) throws {
        try demand(
            found == expected,
            Failure(
                got: "\(path) with SHA-256 \(found.prefix(digestShown))...",
                allowed: "\(expected.prefix(digestShown))..., as its manifest says",
                advice: "the file is damaged or of another model: export the app's model again"))
    }

    private func reading<T>(_ path: String, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch {
            throw Failure(
                got: "no readable \(path)", allowed: "a complete folder that evit-mobile wrote",
                advice: "run evit-mobile export-app ios --from DIR")
        }
    }
}

/// SHA-256 of a file, or of a package as docs/manifest.md defines it: over the members in the order of their paths, for each the
/// path's length, the path, the content's length, the content; lengths are 8 bytes, little-endian.
func digest(of url: URL) throws -> String {
    guard try url.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true else {
        return digest(of: try Data(contentsOf: url))
    }
    var hash = Sha256()
    for member in try members(of: url) {
        let content = try Data(contentsOf: url.appendingPathComponent(member))
        hash.update(lengthBytes(member.utf8.count))
        hash.update(Data(member.utf8))
        hash.update(lengthBytes(content.count))
        hash.update(content)
    }
    return hexadecimal(hash.finalize())
}

func digest(of data: Data) -> String {
    var hash = Sha256()
    hash.update(data)
    return hexadecimal(hash.finalize())
}

/// Paths of all files in a folder, sorted by their components as Python's pathlib sorts them.
private func members(of folder: URL) throws -> [String] {
    let paths = try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { path in
        try folder.appendingPathComponent(path).resourceValues(forKeys: [.isDirectoryKey]).isDirectory == false
    }
    func components(_ path: String) -> [[UInt8]] { path.split(separator: "/").map { Array($0.utf8) } }
    return paths.sorted { first, second in
        components(first).lexicographicallyPrecedes(components(second)) { $0.lexicographicallyPrecedes($1) }
    }
}

private func lengthBytes(_ count: Int) -> Data {
    withUnsafeBytes(of: UInt64(count).littleEndian) { Data($0) }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

private let digestShown = 12
