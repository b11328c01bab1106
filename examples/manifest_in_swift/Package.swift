// swift-tools-version: 6.0
import PackageDescription

/// `swift run ReadManifest DIR`: EvitKit, the part of the iOS demo that needs no framework of Apple's, reads a folder.
let package = Package(
    name: "ReadManifest",
    platforms: [.macOS(.v14)],
    dependencies: [.package(path: "../../ios_demo")],
    targets: [
        .executableTarget(name: "ReadManifest", dependencies: [.product(name: "EvitKit", package: "ios_demo")])
    ]
)
