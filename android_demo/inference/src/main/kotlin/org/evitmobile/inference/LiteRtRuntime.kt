package org.evitmobile.inference

import com.google.ai.edge.litert.Accelerator as LiteRtAccelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.LiteRtException
import java.io.File
import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.Failure
import org.evitmobile.core.NetworkInput
import org.evitmobile.core.arrange
import org.evitmobile.core.dequantize
import org.evitmobile.core.quantize

/** LiteRT's CompiledModel API. [threads] are the CPU's; [dispatchFolder] has the libraries that speak to the NPU, null for none. */
class LiteRtRuntime(private val threads: Int, private val dispatchFolder: String? = null) : Runtime {
    override val format = "tflite"
    override val name = "LiteRT"
    override val accelerators = Accelerator.entries

    override fun open(file: File, artefact: ArtefactEntry, accelerator: Accelerator): Engine =
        translating(artefact, accelerator) {
            val environment = environment(accelerator)
            try {
                LiteRtEngine(CompiledModel.create(file.path, options(accelerator), environment), environment, artefact, accelerator)
            } catch (error: LiteRtException) {
                environment?.close()
                throw error
            }
        }

    /** Where the NPU's libraries lie; null for LiteRT's own environment. */
    private fun environment(accelerator: Accelerator): Environment? =
        dispatchFolder?.takeIf { accelerator == Accelerator.NPU }?.let { Environment.create(mapOf(Environment.Option.DispatchLibraryDir to it)) }

    /** One accelerator only: with the CPU beside it, LiteRT would fall back without a word. */
    private fun options(accelerator: Accelerator): CompiledModel.Options {
        val options = CompiledModel.Options(
            when (accelerator) {
                Accelerator.CPU -> LiteRtAccelerator.CPU
                Accelerator.GPU -> LiteRtAccelerator.GPU
                Accelerator.NPU -> LiteRtAccelerator.NPU
            },
        )
        if (accelerator == Accelerator.CPU) options.cpuOptions = CompiledModel.CpuOptions(numThreads = threads)
        return options
    }
}

private class LiteRtEngine(
    private val model: CompiledModel,
    private val environment: Environment?,
    private val artefact: ArtefactEntry,
    private val accelerator: Accelerator,
) : Engine {
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    override fun run(input: NetworkInput): FloatArray =
        translating(artefact, accelerator) {
            when (input) {
                is NetworkInput.Pixels -> inputs[0].writeInt8(input.bytes)
                is NetworkInput.Tensor -> write(arrange(input.values, artefact.input))
            }
            model.run(inputs, outputs)
            if (artefact.output.isFloat) outputs[0].readFloat() else dequantize(outputs[0].readInt8(), artefact.output)
        }

    private fun write(tensor: FloatArray) =
        if (artefact.input.isFloat) inputs[0].writeFloat(tensor) else inputs[0].writeInt8(quantize(tensor, artefact.input))

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
        environment?.close()
    }
}

private inline fun <T> translating(artefact: ArtefactEntry, accelerator: Accelerator, body: () -> T): T =
    try {
        body()
    } catch (error: LiteRtException) {
        throw Failure(
            got = "${artefact.path}, which LiteRT does not run on the $accelerator: ${error.message}",
            allowed = "a .tflite file that this device's LiteRT accepts",
            advice = if (accelerator == Accelerator.CPU) "export the model again" else "try the CPU",
            cause = error,
        )
    }
