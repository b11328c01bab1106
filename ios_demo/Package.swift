// swift-tools-version: 6.0
import PackageDescription

/// What the app is made of. EvitKit and EvitUI's state holder build and are tested on Linux too; the rest needs Apple's frameworks
/// and is empty where they are missing. The app itself, and ExecuTorch, join in project.yml.
let package = Package(
    name: "EvitMobile",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [
        .library(name: "EvitKit", targets: ["EvitKit"]),
        .library(name: "EvitCoreML", targets: ["EvitCoreML"]),
        .library(name: "EvitUI", targets: ["EvitUI"]),
    ],
    targets: [
        .target(name: "EvitKit"),
        .target(name: "EvitCoreML", dependencies: ["EvitKit"]),
        .target(name: "EvitUI", dependencies: ["EvitKit"]),
        .systemLibrary(name: "CZlib", path: "Tests/CZlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "EvitTesting", dependencies: ["EvitKit", "CZlib"], path: "Tests/EvitTesting"),
        .testTarget(name: "EvitKitTests", dependencies: ["EvitKit", "EvitTesting"]),
        .testTarget(name: "EvitUITests", dependencies: ["EvitUI", "EvitTesting"]),
    ]
)
