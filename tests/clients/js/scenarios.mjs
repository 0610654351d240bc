// Scenarios of the JavaScript client, run by tests/clients/test_js.py: node scenarios.mjs NAME NAMESPACE [PLURAL.GROUP].
// KUBECONFIG names the server. A scenario that needs the server restarted prints "@@restart" and waits for a line.

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import * as k8s from '@kubernetes/client-node';

const PATIENCE_MS = 20_000;
const config = new k8s.KubeConfig();
config.loadFromFile(process.env.KUBECONFIG);
const core = config.makeApiClient(k8s.CoreV1Api);
const [scenario, namespace, custom] = process.argv.slice(2);
const path = `/api/v1/namespaces/${namespace}/configmaps`;
const stdin = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const configMap = (name, data, labels = { mine: 'yes' }) => ({ metadata: { name, labels }, data });

// Where the custom resource of the run is, and one of it.
function widget() {
  const [plural, ...rest] = custom.split('.');
  const place = { group: rest.join('.'), version: 'v1', namespace, plural };
  const body = { apiVersion: `${place.group}/v1`, kind: 'Widget', metadata: { name: 'one' }, spec: { size: 1 } };
  return { place, body };
}

async function restart() {
  console.log('@@restart');
  await stdin.next();
}

// A queue of what happened, in order, each entry awaited with a deadline.
class Story {
  entries = [];
  waiting = [];
  tell(entry) {
    const next = this.waiting.shift();
    if (next) next(entry);
    else this.entries.push(entry);
  }
  async expect(...wanted) {
    for (const entry of wanted) assert.deepEqual(await this.next(), entry);
  }
  next() {
    if (this.entries.length) return Promise.resolve(this.entries.shift());
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`nothing happened for ${PATIENCE_MS} ms`)), PATIENCE_MS);
      this.waiting.push((entry) => {
        clearTimeout(deadline);
        resolve(entry);
      });
    });
  }
}

async function patch(name, body) {
  const options = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch);
  return core.patchNamespacedConfigMap({ name, namespace, body }, options);
}

const scenarios = {
  // Deployments that scale, Services, Jobs, and an informer of Pods.
  async kinds() {
    const apps = config.makeApiClient(k8s.AppsV1Api);
    const batch = config.makeApiClient(k8s.BatchV1Api);
    const merge = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch);
    const strategic = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.StrategicMergePatch);
    const labels = { app: 'web' };
    const spec = { containers: [{ name: 'web', image: 'nginx' }] };
    const web = { name: 'web', namespace };
    const head = { metadata: { name: 'web', labels } };

    const body = { ...head, spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } } };
    const deployment = await apps.createNamespacedDeployment({ namespace, body });
    assert.equal(deployment.spec.replicas, 1);
    const scale = await apps.patchNamespacedDeploymentScale({ ...web, body: { spec: { replicas: 3 } } }, merge);
    assert.deepEqual([scale.spec.replicas, scale.status.selector], [3, 'app=web']);
    const image = { spec: { template: { spec: { containers: [{ name: 'web', image: 'nginx:2' }] } } } };
    const changed = await apps.patchNamespacedDeployment({ ...web, body: image }, strategic);
    assert.deepEqual([changed.spec.replicas, changed.metadata.generation], [3, 3]);
    assert.equal(changed.spec.template.spec.containers.length, 1);

    const ports = [{ port: 80 }];
    const service = await core.createNamespacedService({ namespace, body: { ...head, spec: { selector: labels, ports } } });
    assert.deepEqual([service.spec.ports[0].targetPort, service.spec.clusterIPs], [80, [service.spec.clusterIP]]);
    const work = { ...head, spec: { template: { spec: { ...spec, restartPolicy: 'Never' } } } };
    const job = await batch.createNamespacedJob({ namespace, body: work });
    assert.deepEqual([job.spec.backoffLimit, job.spec.completionMode], [6, 'NonIndexed']);

    const story = new Story();
    const list = () => core.listNamespacedPod({ namespace, labelSelector: 'app=web' });
    const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/pods`, list, 'app=web');
    for (const verb of ['add', 'update', 'delete']) informer.on(verb, (pod) => story.tell([verb, pod.status.phase]));
    await informer.start();
    await core.createNamespacedPod({ namespace, body: { ...head, spec } });
    await story.expect(['add', 'Pending']);
    await core.patchNamespacedPodStatus({ ...web, body: { status: { phase: 'Running' } } }, merge);
    await story.expect(['update', 'Running']);
    const wrong = core.patchNamespacedPod({ ...web, body: { spec: { nodeSelector: { disk: 'fast' } } } }, merge);
    await assert.rejects(wrong, { code: 422 });
    await core.deleteNamespacedPod({ ...web, gracePeriodSeconds: 0 });
    await story.expect(['update', 'Running'], ['delete', 'Running']);
    await informer.stop();
    await apps.deleteNamespacedDeployment({ ...web, propagationPolicy: 'Background' });
    await assert.rejects(apps.readNamespacedDeployment(web), { code: 404 });
  },

  async objects() {
    const made = await core.createNamespacedConfigMap({ namespace, body: configMap('one', { k: '1' }) });
    assert.ok(made.metadata.creationTimestamp instanceof Date);
    await assert.rejects(core.createNamespacedConfigMap({ namespace, body: configMap('one', {}) }), { code: 409 });
    assert.deepEqual((await patch('one', { data: { k: null, l: '2' } })).data, { l: '2' });
    await assert.rejects(core.replaceNamespacedConfigMap({ name: 'one', namespace, body: made }), { code: 409 });
    for (let i = 0; i < 5; i++) await core.createNamespacedConfigMap({ namespace, body: configMap(`c${i}`, {}) });
    const names = [];
    let _continue;
    do {
      const page = await core.listNamespacedConfigMap({ namespace, labelSelector: 'mine=yes', limit: 2, _continue });
      names.push(...page.items.map((item) => item.metadata.name));
      _continue = page.metadata._continue;
    } while (_continue);
    assert.deepEqual(names, ['c0', 'c1', 'c2', 'c3', 'c4', 'one']);
    await core.deleteNamespacedConfigMap({ name: 'one', namespace });
    await assert.rejects(core.readNamespacedConfigMap({ name: 'one', namespace }), { code: 404 });
  },

  async watch() {
    const begin = (await core.listNamespacedConfigMap({ namespace })).metadata.resourceVersion;
    const story = new Story();
    const query = { resourceVersion: begin, labelSelector: 'mine' };
    const tell = (type, object) => story.tell([type, object.metadata.name, object.data.k]);
    const request = await new k8s.Watch(config).watch(path, query, tell, () => {});
    await core.createNamespacedConfigMap({ namespace, body: configMap('one', { k: '1' }) });
    await core.createNamespacedConfigMap({ namespace, body: configMap('other', { k: '1' }, {}) });
    await patch('one', { data: { k: '2' } });
    await core.deleteNamespacedConfigMap({ name: 'one', namespace });
    await story.expect(['ADDED', 'one', '1'], ['MODIFIED', 'one', '2'], ['DELETED', 'one', '2']);
    request.abort();
  },

  // The informer ends with an error when its connection breaks; started again it goes on from where it was.
  async informer() {
    const story = new Story();
    let lists = 0;
    const list = () => {
      lists += 1;
      return core.listNamespacedConfigMap({ namespace, labelSelector: 'mine' });
    };
    const informer = k8s.makeInformer(config, path, list, 'mine');
    for (const verb of ['add', 'update', 'delete']) informer.on(verb, (o) => story.tell([verb, o.metadata.name]));
    informer.on('error', () => setTimeout(() => informer.start(), 50));
    await core.createNamespacedConfigMap({ namespace, body: configMap('one', { k: '1' }) });
    await informer.start();
    await story.expect(['add', 'one']);
    await patch('one', { data: { k: '2' } });
    await story.expect(['update', 'one']);
    await restart();
    await core.createNamespacedConfigMap({ namespace, body: configMap('two', { k: '1' }) });
    await patch('one', { metadata: { labels: { mine: null } } });
    await story.expect(['add', 'two'], ['delete', 'one']);
    assert.deepEqual(informer.list(namespace).map((o) => o.metadata.name), ['two']);
    assert.equal(lists, 1, 'the restart cost no new list');
    await informer.stop();
  },

  async custom() {
    const { place, body } = widget();
    const objects = config.makeApiClient(k8s.CustomObjectsApi);
    const made = await objects.createNamespacedCustomObject({ ...place, body });
    assert.deepEqual(made.spec, { size: 1 });
    const generic = k8s.KubernetesObjectApi.makeApiClient(config);
    const merged = await generic.patch({ ...body, metadata: { name: 'one', namespace }, spec: { size: 4 } },
      undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch);
    assert.deepEqual([merged.spec.size, merged.metadata.generation], [4, 2]);
    await objects.deleteNamespacedCustomObject({ ...place, name: 'one' });
    const left = await objects.listNamespacedCustomObject(place);
    assert.deepEqual(left.items, []);
  },

  // Custom objects of a kind that defaults, validates and scales.
  async rich() {
    const { place, body } = widget();
    const objects = config.makeApiClient(k8s.CustomObjectsApi);
    const made = await objects.createNamespacedCustomObject({ ...place, body: { ...body, spec: { junk: 1 } } });
    assert.deepEqual(made.spec, { size: 1, color: 'grey' });
    const strict = { ...place, body: { ...body, spec: { junk: 1 } }, fieldValidation: 'Strict' };
    await assert.rejects(objects.createNamespacedCustomObject(strict), { code: 400 });
    const wrong = { ...body, metadata: { name: 'two' }, spec: { size: 51 } };
    await assert.rejects(objects.createNamespacedCustomObject({ ...place, body: wrong }), (error) => {
      const status = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
      assert.deepEqual([error.code, status.details.causes.map((cause) => cause.field)], [422, ['spec.size']]);
      return true;
    });
    const one = { ...place, name: 'one' };
    const merge = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch);
    const judged = await objects.patchNamespacedCustomObjectStatus(
      { ...one, body: { spec: { size: 9 }, status: { size: 1 } } }, merge);
    assert.deepEqual([judged.spec.size, judged.status, judged.metadata.generation], [1, { size: 1 }, 1]);
    const scale = await objects.getNamespacedCustomObjectScale(one);
    assert.deepEqual([scale.spec, scale.status], [{ replicas: 1 }, { replicas: 1 }]);
    scale.spec.replicas = 3;
    await objects.replaceNamespacedCustomObjectScale({ ...one, body: scale });
    const steps = [{ op: 'test', path: '/spec/size', value: 3 }, { op: 'add', path: '/spec/tags', value: ['a'] }];
    const json = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.JsonPatch);
    const patched = await objects.patchNamespacedCustomObject({ ...one, body: steps }, json);
    assert.deepEqual([patched.spec, patched.metadata.generation], [{ size: 3, color: 'grey', tags: ['a'] }, 3]);
  },

  // Server-side apply by the generic client: shares, a conflict, force.
  async apply() {
    const { body } = widget();
    const generic = k8s.KubernetesObjectApi.makeApiClient(config);
    const apply = (manager, spec, force) => generic.patch({ ...body, metadata: { name: 'one', namespace }, spec },
      undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
    const first = await apply('left', { size: 2, parts: [{ name: 'lid' }] });
    assert.deepEqual(first.spec, { size: 2, color: 'grey', parts: [{ name: 'lid', count: 1 }] });
    assert.deepEqual(first.metadata.managedFields.map((entry) => [entry.manager, entry.operation]), [['left', 'Apply']]);
    const again = await apply('left', { size: 2, parts: [{ name: 'lid' }] });
    assert.equal(again.metadata.resourceVersion, first.metadata.resourceVersion);
    await assert.rejects(apply('right', { size: 3 }), { code: 409 });
    const forced = await apply('right', { size: 3, parts: [{ name: 'leg', count: 4 }] }, true);
    assert.deepEqual(forced.spec.parts, [{ name: 'lid', count: 1 }, { name: 'leg', count: 4 }]);
    const less = await apply('left', { color: 'red' });
    assert.deepEqual(less.spec, { size: 3, color: 'red', parts: [{ name: 'leg', count: 4 }] });
  },
};

await scenarios[scenario]();
console.log('passed');
process.exit(0);
