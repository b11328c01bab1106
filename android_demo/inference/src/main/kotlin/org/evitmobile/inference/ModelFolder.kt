package org.evitmobile.inference

import java.io.File
import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.Golden
import org.evitmobile.core.Manifest
import org.evitmobile.core.ModelFiles
import org.evitmobile.core.checkArtefact
import org.evitmobile.core.demand
import org.evitmobile.core.materialise
import org.evitmobile.core.readManifest

/** One thing the user can choose to run. */
data class Choice(val artefact: ArtefactEntry, val runtime: Runtime, val accelerator: Accelerator) {
    val title: String get() = "${runtime.name} ${artefact.precision}, $accelerator"
}

/** A model folder and the runtimes that this app has for it. [cache] is where artefacts are copied to, because runtimes open paths. */
class ModelFolder private constructor(
    private val files: ModelFiles,
    private val cache: File,
    val manifest: Manifest,
    val choices: List<Choice>,
) {
    /** Opens an artefact whose SHA-256 is checked first. Throws [org.evitmobile.core.Failure]. */
    fun open(choice: Choice): Classifier {
        val file = files.materialise(choice.artefact.path, choice.artefact.sha256, cache)
        val opened = choice.runtime.openOrFallBack(file, choice.artefact, choice.accelerator)
        return Classifier(manifest, choice.artefact, choice.runtime.name, opened)
    }

    /** The golden vectors, where the folder has some. Throws [org.evitmobile.core.Failure]. */
    fun golden(): Golden? = manifest.golden?.let { Golden.open(files, it) }

    companion object {
        /** Reads and checks the manifest. Throws [org.evitmobile.core.Failure], also when no runtime here takes any artefact. */
        fun open(files: ModelFiles, cache: File, runtimes: List<Runtime>): ModelFolder {
            val manifest = readManifest(files)
            val choices = manifest.artefacts.flatMap { artefact -> choicesOf(artefact, runtimes) }
            choices.forEach { checkArtefact(it.artefact, manifest) }
            val formats = manifest.artefacts.map(ArtefactEntry::format).distinct()
            demand(choices.isNotEmpty(), "artefacts of ${formats.joinToString()}", runtimes.joinToString { it.format }) {
                "convert with --format ${runtimes.first().format}"
            }
            return ModelFolder(files, cache, manifest, choices)
        }

        private fun choicesOf(artefact: ArtefactEntry, runtimes: List<Runtime>): List<Choice> =
            runtimes
                .filter { it.format == artefact.format }
                .flatMap { runtime -> runtime.accelerators.map { Choice(artefact, runtime, it) } }
    }
}
