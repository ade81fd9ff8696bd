// Replaced values of tensors in a loaded model.
import type { LoadedModel } from "../runtime/loaded-model.js";
import type { HealedTensor } from "./tensors.js";

/** Where tensors are replaced. */
type Replaceable = Pick<LoadedModel, "replaceTensor">;

/** Does work with new values in the model. If it throws, or is aborted, the file's own values return. */
export async function orRestored<T>(model: Replaceable, tensors: readonly HealedTensor[], work: () => Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		// A model that was freed meanwhile cannot be restored; the first error says why.
		await restore(model, tensors).catch(() => {});
		throw error;
	}
}

/** Puts the file's own values back. */
export async function restore(model: Replaceable, tensors: readonly { readonly name: string }[]): Promise<void> {
	for (const { name } of tensors) await model.replaceTensor(name);
}

/** Does work while these values are in the model, and restores the file's own in any case. */
export async function whileHealed<T>(model: Replaceable, tensors: readonly HealedTensor[], work: () => Promise<T>): Promise<T> {
	try {
		for (const tensor of tensors) await model.replaceTensor(tensor.name, tensor);
		return await work();
	} finally {
		await restore(model, tensors);
	}
}
