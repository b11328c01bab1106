package org.evitmobile.inference

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import java.io.File
import java.nio.ByteBuffer
import java.nio.FloatBuffer
import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.Failure
import org.evitmobile.core.NetworkInput
import org.evitmobile.core.arrange
import org.evitmobile.core.demand
import org.evitmobile.core.dequantize
import org.evitmobile.core.quantize

/** ONNX Runtime. Its NPU is Qualcomm's, by the QNN provider. [threads] are the CPU's. */
class OnnxRuntime(private val threads: Int) : Runtime {
    override val format = "onnx"
    override val name = "ONNX Runtime"
    override val accelerators = listOf(Accelerator.CPU, Accelerator.NPU)

    override fun open(file: File, artefact: ArtefactEntry, accelerator: Accelerator): Engine {
        demand(accelerator in accelerators, "the $accelerator for ${artefact.path}", accelerators.joinToString()) { "choose one of these" }
        return translating(artefact, accelerator) {
            val environment = OrtEnvironment.getEnvironment()
            OnnxEngine(environment, options(accelerator).use { environment.createSession(file.path, it) }, artefact, accelerator)
        }
    }

    /** The NPU alone: with the CPU behind it, ONNX Runtime would fall back without a word. */
    private fun options(accelerator: Accelerator): OrtSession.SessionOptions {
        val options = OrtSession.SessionOptions()
        options.setIntraOpNumThreads(threads)
        if (accelerator == Accelerator.NPU) {
            options.addConfigEntry("session.disable_cpu_ep_fallback", "1")
            options.addQnn(mapOf("backend_path" to "libQnnHtp.so"))
        }
        return options
    }
}

private class OnnxEngine(
    private val environment: OrtEnvironment,
    private val session: OrtSession,
    private val artefact: ArtefactEntry,
    private val accelerator: Accelerator,
) : Engine {
    private val shape = artefact.input.shape.map(Int::toLong).toLongArray()

    override fun run(input: NetworkInput): FloatArray =
        translating(artefact, accelerator) {
            tensor(input).use { given -> session.run(mapOf(artefact.input.name to given)).use { values(it.get(0) as OnnxTensor) } }
        }

    private fun tensor(input: NetworkInput): OnnxTensor =
        when (input) {
            is NetworkInput.Pixels -> bytes(input.bytes, OnnxJavaType.UINT8)
            is NetworkInput.Tensor -> floats(arrange(input.values, artefact.input))
        }

    private fun floats(values: FloatArray): OnnxTensor =
        if (artefact.input.isFloat) {
            OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), shape)
        } else {
            bytes(quantize(values, artefact.input), OnnxJavaType.INT8)
        }

    private fun bytes(values: ByteArray, type: OnnxJavaType) = OnnxTensor.createTensor(environment, ByteBuffer.wrap(values), shape, type)

    private fun values(output: OnnxTensor): FloatArray =
        if (artefact.output.isFloat) {
            output.floatBuffer.let { buffer -> FloatArray(buffer.remaining()).also(buffer::get) }
        } else {
            dequantize(output.byteBuffer.let { buffer -> ByteArray(buffer.remaining()).also(buffer::get) }, artefact.output)
        }

    override fun close() = session.close()
}

private inline fun <T> translating(artefact: ArtefactEntry, accelerator: Accelerator, body: () -> T): T =
    try {
        body()
    } catch (error: OrtException) {
        throw Failure(
            got = "${artefact.path}, which ONNX Runtime does not run on the $accelerator: ${error.message}",
            allowed = "an .onnx file, and for the NPU a phone with Qualcomm's",
            advice = if (accelerator == Accelerator.CPU) "convert the model again" else "choose the CPU",
            cause = error,
        )
    }
