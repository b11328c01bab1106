package org.evitmobile.inference

import java.io.File
import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.Failure
import org.evitmobile.core.Golden
import org.evitmobile.core.Manifest
import org.evitmobile.core.ModelFiles
import org.evitmobile.core.checkArtefact
import org.evitmobile.core.demand
import org.evitmobile.core.materialise
import org.evitmobile.core.readManifest

/** One thing the user can choose to run. A file for one chip runs on its NPU only; [portable] is what it was compiled from. */
data class Choice(
    val artefact: ArtefactEntry,
    val runtime: Runtime,
    val accelerator: Accelerator,
    val portable: ArtefactEntry? = null,
) {
    val title: String get() = "${runtime.name} ${artefact.precision}, $accelerator" + artefact.soc?.let { " of $it" }.orEmpty()
}

/**
 * A model folder and the runtimes that this app has for it. [cache] is where artefacts are copied to, because runtimes open paths;
 * [notices] are what the user should know whatever runs.
 */
class ModelFolder private constructor(
    private val files: ModelFiles,
    private val cache: File,
    val manifest: Manifest,
    val choices: List<Choice>,
    private val notices: List<String>,
) {
    /** Opens an artefact whose SHA-256 is checked first. Throws [org.evitmobile.core.Failure]. */
    fun open(choice: Choice): Classifier {
        val file = file(choice.artefact)
        if (choice.artefact.soc != null) return openCompiled(file, choice)
        val opened = choice.runtime.openOrFallBack(file, choice.artefact, choice.accelerator)
        return classifier(choice.artefact, choice, opened)
    }

    /** A file for this phone's chip on the NPU, or else the one that it was compiled from on the CPU; the notice then says why. */
    private fun openCompiled(file: File, choice: Choice): Classifier =
        try {
            val engine = choice.runtime.open(file, choice.artefact, choice.accelerator)
            classifier(choice.artefact, choice, Opened(engine, choice.accelerator, emptyList()))
        } catch (failure: Failure) {
            val portable = choice.portable ?: throw failure
            val engine = choice.runtime.open(file(portable), portable, Accelerator.CPU)
            val notice = "The ${choice.accelerator} cannot run ${choice.artefact.path} here (${failure.got}). The CPU runs ${portable.path} instead."
            classifier(portable, choice, Opened(engine, Accelerator.CPU, listOf(notice)))
        }

    private fun file(artefact: ArtefactEntry) = files.materialise(artefact.path, artefact.sha256, cache)

    private fun classifier(artefact: ArtefactEntry, choice: Choice, opened: Opened) =
        Classifier(manifest, artefact, choice.runtime.name, Opened(opened.engine, opened.accelerator, opened.notices + notices))

    /** The golden vectors, where the folder has some. Throws [org.evitmobile.core.Failure]. */
    fun golden(): Golden? = manifest.golden?.let { Golden.open(files, it) }

    companion object {
        /**
         * Reads and checks the manifest. [soc] is the phone's chip, null where it does not tell: files for it come first, those for others
         * are left out. Throws [org.evitmobile.core.Failure], also when no runtime here takes any artefact.
         */
        fun open(files: ModelFiles, cache: File, runtimes: List<Runtime>, soc: String? = null): ModelFolder {
            val manifest = readManifest(files)
            val (compiled, portable) = manifest.artefacts.partition { it.soc != null }
            val own = compiled.filter { it.soc.equals(soc, ignoreCase = true) }
            val choices = own.flatMap { compiledChoices(it, runtimes, portable) } + portable.flatMap { choicesOf(it, runtimes) }
            choices.forEach { checkArtefact(it.artefact, manifest) }
            val formats = manifest.artefacts.map(ArtefactEntry::format).distinct()
            demand(choices.isNotEmpty(), "artefacts of ${formats.joinToString()}", runtimes.joinToString { it.format }) {
                "convert with --format ${runtimes.first().format}"
            }
            val notices = if (own.isEmpty() && compiled.isNotEmpty()) listOf(foreign(compiled, soc)) else emptyList()
            return ModelFolder(files, cache, manifest, choices, notices)
        }

        private fun choicesOf(artefact: ArtefactEntry, runtimes: List<Runtime>): List<Choice> =
            runtimes
                .filter { it.format == artefact.format }
                .flatMap { runtime -> runtime.accelerators.map { Choice(artefact, runtime, it) } }

        private fun compiledChoices(artefact: ArtefactEntry, runtimes: List<Runtime>, portable: List<ArtefactEntry>): List<Choice> {
            val source = portable.find { it.format == artefact.opens && it.precision == artefact.precision }
            return runtimes
                .filter { it.format == artefact.opens && Accelerator.NPU in it.accelerators }
                .map { Choice(artefact, it, Accelerator.NPU, source) }
        }

        private fun foreign(compiled: List<ArtefactEntry>, soc: String?): String {
            val named = compiled.mapNotNull(ArtefactEntry::soc).distinct().joinToString()
            return "The files for $named are not for this phone, whose chip is ${soc ?: "not known"}: others run."
        }
    }
}
