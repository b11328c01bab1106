/// Reads a folder that `evit-mobile convert` wrote: which model it is, what its images are, what each judge said.

import EvitKit
import Foundation

let folder = URL(fileURLWithPath: CommandLine.arguments[1])
let manifest = try readManifest(ModelFiles(folder: folder))
print("\(manifest.model.name): \(manifest.model.numClasses) classes, images of \(manifest.input.height) x \(manifest.input.width) pixels")
print("mean \(manifest.input.mean), std \(manifest.input.std)")
for artefact in manifest.artefacts {
    let objection = artefact.objection
    print("\(artefact.path): \(objection.map { "\($0.verdict.rawValue), \($0.reason)" } ?? "passed")")
}
