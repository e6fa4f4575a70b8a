import { INestMicroservice } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ElkMqClient, ElkMqServer } from 'nestjs-elkmq';
import { ElkMqTestQueue } from 'nestjs-elkmq/testing';
import { firstValueFrom } from 'rxjs';
import { OrdersController } from './orders.controller';

describe('OrdersController', () => {
  it('tells the mails of an order, with a client that is mocked', async () => {
    const mails = { emit: jest.fn() };
    const module = await Test.createTestingModule({
      controllers: [OrdersController],
      providers: [{ provide: 'MAILS', useValue: mails }],
    }).compile();
    module.get(OrdersController).placed({ id: 1 });
    expect(mails.emit).toHaveBeenCalledWith('mail.confirmation', { id: 1 });
  });

  it('answers through a test queue', async () => {
    const queue = new ElkMqTestQueue();
    const module = await Test.createTestingModule({
      controllers: [OrdersController],
      providers: [{ provide: 'MAILS', useValue: queue.client }],
    }).compile();
    const app: INestMicroservice = module.createNestMicroservice({ strategy: queue.server });
    await app.listen();
    expect(await firstValueFrom(queue.client.send('order.total', [1, 2]))).toBe(3);
    expect(queue.client).toBeInstanceOf(ElkMqClient);
    expect(queue.server).toBeInstanceOf(ElkMqServer);
    await app.close();
  });
});
